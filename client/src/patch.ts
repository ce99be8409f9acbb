// Brings into the page what differs between two renderings of it, and nothing else: what scripts and
// the reader have made of the rest stays.

import { children, isBlank, match, reader, type Pairs, type Tree } from "./match";

/** Thrown where the page cannot be changed safely, perhaps when a part of it has been: it must be loaded anew. */
export class Refusal extends Error {}

/** An element with this attribute is left as it is, with all that is in it. */
const ignored = "data-devserve-ignore";

/** Changes the page, which `old` was rendered as, to what `now` is rendered as. */
export function patch(page: Element, old: Element, now: Element): void {
  const read = reader();
  const trees = { old: read(old), now: read(now), page: read(page) };
  new Patch(trees.old, trees.now, match(trees.old, trees.now), match(trees.old, trees.page)).run();
}

class Patch {
  private readonly before: Pairs = new Map(); // from a new node to the old one

  constructor(
    private readonly old: Tree,
    private readonly now: Tree,
    private readonly after: Pairs,
    private readonly live: Pairs,
  ) {
    for (const [a, n] of after) this.before.set(n, a);
  }

  run(): void {
    const l = this.shell(this.now.root);
    if (l) this.fill(l, this.now.root);
    for (const a of this.old.said.keys()) {
      if (!this.after.has(a)) this.remove(a);
    }
  }

  private equal(a: Node, n: Node): boolean {
    return this.old.said.get(a) === this.now.said.get(n);
  }

  /** The node of the page that is to be `n`, as yet with another content; null if there is none, nor need be. */
  private shell(n: Node): Node | null {
    const a = this.before.get(n);
    if (!a) return document.importNode(n, n instanceof HTMLTemplateElement);
    const l = this.live.get(a);
    if (l) return l;
    if (this.equal(a, n) || (isBlank(a) && isBlank(n))) return null;
    throw new Refusal(`a script has replaced ${name(a)}, which changed`);
  }

  /** Makes `l` what `n` is. */
  private fill(l: Node, n: Node): void {
    const a = this.before.get(n);
    if (a && this.equal(a, n)) return;
    if (a && l instanceof Element && l.closest(`[${ignored}]`)) return;
    if (n instanceof Text) {
      if (a) this.text(l as Text, a as Text, n);
      return;
    }
    if (a) this.attributes(l as Element, a as Element, n as Element);
    if (l instanceof HTMLStyleElement && !a) l.nonce = document.querySelector<HTMLElement>("script[nonce]")?.nonce ?? "";
    if (a && l instanceof HTMLTemplateElement) l.content.replaceChildren(document.importNode((n as HTMLTemplateElement).content, true));
    if (l.nodeName === "SCRIPT") l.textContent = n.textContent; // it ran, or it is none that runs
    this.content(l, a, n);
  }

  private text(l: Text, a: Text, n: Text): void {
    refuseOwned(l.parentElement);
    if (l.data !== a.data && !isBlank(a)) throw new Refusal(`a script has changed the text of ${name(a.parentNode)}, which changed`);
    l.data = n.data;
  }

  private attributes(l: Element, a: Element, n: Element): void {
    for (const { name: key, namespaceURI: space } of [...a.attributes, ...n.attributes]) {
      const [was, is] = [a.getAttribute(key), n.getAttribute(key)];
      if (was === is || key === "nonce") continue;
      refuseOwned(l, true);
      if (key === "class" && l.getAttribute(key) !== was) {
        l.classList.remove(...[...a.classList].filter((c) => !n.classList.contains(c)));
        l.classList.add(...n.classList);
      } else if (key === "style" && l.getAttribute(key) !== was && l instanceof HTMLElement) {
        mergeStyle(l.style, (a as HTMLElement).style, (n as HTMLElement).style);
      } else if (is === null) l.removeAttribute(key);
      else l.setAttributeNS(space, key, is);
    }
  }

  /** Gives `l` the children of `n`: those that it has where they are, others where they belong. */
  private content(l: Node, a: Node | undefined, n: Node): void {
    const wanted: Node[] = [];
    const filled: [Node, Node][] = [];
    for (const c of children(n)) {
      const s = this.shell(c);
      if (!s) continue;
      filled.push([s, c]);
      const from = this.before.get(c)?.parentNode;
      // What was here and is elsewhere in the page was moved by a script, and is left there.
      if (s.parentNode === l || !from || from !== a) wanted.push(s);
    }
    arrange(l, wanted);
    for (const [s, c] of filled) this.fill(s, c);
  }

  /** Takes out what an old node is in the page. */
  private remove(a: Node): void {
    const l = this.live.get(a);
    if (!(l instanceof Element || l instanceof Text) || !l.isConnected) return;
    if (l.parentElement?.closest(`[${ignored}]`)) return;
    refuseOwned(l.parentElement);
    if (l instanceof Element) for (const e of [l, ...l.querySelectorAll("*")]) refuseOwned(e);
    else if (l.data !== (a as Text).data) throw new Refusal(`a script has changed the text of ${name(a.parentNode)}, which is gone`);
    l.remove();
  }
}

/** Puts `wanted` into `parent`, in this order, and moves as little as it can. What else is there keeps its place behind its neighbour. */
function arrange(parent: Node, wanted: Node[]): void {
  const stay = inOrder(wanted.filter((w) => w.parentNode === parent));
  let last: Node | undefined;
  let place: Node | null = wanted.find((w) => stay.has(w)) ?? null; // for the first
  for (const w of wanted) {
    if (last) place = last.nextSibling;
    if (!stay.has(w) && w !== place) {
      refuseOwned(parent instanceof Element ? parent : null);
      move(parent, w, place);
    }
    last = w;
  }
}

/** Of nodes in the order in which they should be, those that are, and among these what suffers from being moved. */
function inOrder(nodes: Node[]): Set<Node> {
  const follows = (x: Node, y: Node): boolean => (x.compareDocumentPosition(y) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0;
  if (nodes.every((n, i) => i === 0 || follows(nodes[i - 1] as Node, n))) return new Set(nodes);
  const best: { worth: number; before: number }[] = [];
  let top = -1;
  nodes.forEach((n, i) => {
    const b = { worth: weight(n), before: -1 };
    for (let j = 0; j < i; j++) {
      const worth = (best[j]?.worth ?? 0) + weight(n);
      if (worth > b.worth && follows(nodes[j] as Node, n)) Object.assign(b, { worth, before: j });
    }
    best.push(b);
    if (top < 0 || b.worth > (best[top]?.worth ?? 0)) top = i;
  });
  const stay = new Set<Node>();
  for (let i = top; i >= 0; i = best[i]?.before ?? -1) stay.add(nodes[i] as Node);
  return stay;
}

function weight(n: Node): number {
  const precious = "iframe,video,audio,object,embed,canvas";
  if (!(n instanceof Element)) return 1;
  return n.contains(document.activeElement) || n.matches(precious) || n.querySelector(precious) ? 10_000 : 1;
}

/** Puts `n` before `place`. Where browsers can they keep its focus, its frames and what it plays. */
function move(parent: Node, n: Node, place: Node | null): void {
  const to = parent as Node & { moveBefore?(n: Node, place: Node | null): void };
  if (to.moveBefore && n.isConnected && parent.isConnected) to.moveBefore(n, place);
  else to.insertBefore(n, place);
}

function mergeStyle(l: CSSStyleDeclaration, a: CSSStyleDeclaration, n: CSSStyleDeclaration): void {
  for (const key of new Set([...a, ...n])) {
    const is = n.getPropertyValue(key);
    if (is === "") l.removeProperty(key);
    else if (is !== a.getPropertyValue(key)) l.setProperty(key, is, n.getPropertyPriority(key));
  }
}

/** What frameworks leave on the elements that they have rendered into, and on those they have rendered. */
const roots = /^(__reactContainer\$|__vue_app__$|__k$|_vnode$)/;
const rendered = /^(__reactFiber\$|__vnode$|__vueParentComponent$|__svelte_meta$)/;

/** Refuses to change what a framework has rendered: it would not know. The element that holds it may change itself. */
function refuseOwned(e: Element | null, itself = false): void {
  for (; e; e = e.parentElement) {
    const keys = Object.keys(e);
    if (keys.some((k) => rendered.test(k) || (!itself && roots.test(k)))) throw new Refusal(`a script renders ${name(e)}, which changed`);
    itself = false;
  }
}

/** An element for people: "<p id=total>". */
export function name(n: Node | null): string {
  if (n instanceof Text) return name(n.parentNode);
  if (!(n instanceof Element)) return "a part of the page";
  const by = n.id ? ` id="${n.id}"` : n.classList.length > 0 ? ` class="${n.className}"` : "";
  return `<${n.localName}${by}>`;
}
