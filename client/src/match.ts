// Which node of one tree is which node of another: of the page as it was rendered and as it is rendered
// now, and of the page as it was rendered and as scripts have made it.
//
// What is equal or has the same id is found wherever it went; the rest is taken in order, between
// those. It costs about as much as reading both trees, except where long lists of children differ.

/** The nodes of a tree that count, what each says, and how often. */
export interface Tree {
  root: Element;
  /** Every node, parents first, with a number: equal for equal nodes of trees read by one reader. */
  said: Map<Node, number>;
}

/** From each node of one tree to its counterpart. */
export type Pairs = Map<Node, Node>;

/** Elements of ours, which no program has rendered. */
const own = "script[src*='_devserve/client.js'],style[data-devserve],link[data-devserve-loading],devserve-overlay,devserve-badge";

/** Elements whose content is no tree: text, or what is parsed otherwise while scripts may run. */
const closed = new Set(["SCRIPT", "NOSCRIPT", "TEMPLATE"]);

/** The children of a node that count: elements and text, but no comments and nothing of ours. */
export function children(node: Node): (Element | Text)[] {
  if (closed.has(node.nodeName)) return [];
  return [...node.childNodes].filter(
    (n): n is Element | Text => (n instanceof Element && !n.matches(own)) || (n instanceof Text && n.data !== ""),
  );
}

/** Returns a function that reads trees to be compared with each other. */
export function reader(): (root: Element) => Tree {
  const numbers = new Map<string, number>();
  return (root) => {
    const said: Tree["said"] = new Map();
    const read = (n: Element | Text): number => {
      said.set(n, 0); // in its place
      const text = n instanceof Text ? n.data : JSON.stringify([n.nodeName, attributes(n), content(n), children(n).map(read)]);
      let number = numbers.get(text);
      if (number === undefined) numbers.set(text, (number = numbers.size + 1));
      said.set(n, number);
      return number;
    };
    read(root);
    return { root, said };
  };
}

/** In any order, and without the nonce, which is another in every answer and hidden in the page. */
function attributes(e: Element): string[] {
  return [...e.attributes].filter((a) => a.name !== "nonce").map((a) => `${a.name}=${a.value}`).sort();
}

function content(e: Element): string {
  if (e instanceof HTMLTemplateElement) return e.innerHTML;
  return e.nodeName === "SCRIPT" ? (e.textContent ?? "") : "";
}

/** Finds the nodes of `a` in `b`. */
export function match(a: Tree, b: Tree): Pairs {
  const pairs: Pairs = new Map();
  const back: Pairs = new Map();
  const pair = (x: Node, y: Node): void => {
    pairs.set(x, y);
    back.set(y, x);
  };
  const free = (x: Node, y: Node): boolean => !pairs.has(x) && !back.has(y);
  const equal = (x: Node, y: Node): boolean => a.said.get(x) === b.said.get(y);
  const whole = (x: Node, y: Node): void => {
    pair(x, y);
    const ys = children(y);
    children(x).forEach((c, i) => whole(c, ys[i] as Node));
  };

  pair(a.root, b.root);
  const saidOnce = (t: Tree) => once(t, (e) => (e.attributes.length > 0 || e.firstChild ? t.said.get(e) : undefined));
  both(saidOnce(a), saidOnce(b), (x, y) => {
    if (free(x, y)) whole(x, y);
  });
  const idOnce = (t: Tree) => once(t, (e) => e.id || undefined);
  both(idOnce(a), idOnce(b), (x, y) => {
    if (free(x, y) && x.nodeName === y.nodeName) pair(x, y);
  });
  for (const y of b.said.keys()) {
    const x = back.get(y);
    if (!x || equal(x, y)) continue;
    align(children(x), children(y), (c, d) => {
      if (pairs.get(c) === d) return 9;
      return free(c, d) ? likeness(c, d, equal(c, d)) : 0;
    }).forEach(([c, d]) => {
      if (!free(c, d)) return;
      if (equal(c, d)) whole(c, d);
      else pair(c, d);
    });
  }
  return pairs;
}

/** The elements of which the tree has one alone, by what `key` says of them. */
function once<K>(t: Tree, key: (e: Element) => K | undefined): Map<K, Element | null> {
  const found = new Map<K, Element | null>();
  for (const n of t.said.keys()) {
    const k = n instanceof Element ? key(n) : undefined;
    if (k !== undefined) found.set(k, found.has(k) ? null : (n as Element));
  }
  return found;
}

function both<K>(a: Map<K, Element | null>, b: Map<K, Element | null>, f: (x: Element, y: Element) => void): void {
  for (const [k, x] of a) {
    const y = b.get(k);
    if (x && y) f(x, y);
  }
}

/** How much two nodes that are not known to be one look as if they were; 0 if they cannot be. */
function likeness(x: Node, y: Node, equal: boolean): number {
  if (x.nodeName !== y.nodeName) return 0;
  if (equal) return 5;
  if (!(x instanceof Element && y instanceof Element)) return isBlank(x) === isBlank(y) ? 1 : 0;
  if (x.id && y.id && x.id !== y.id) return 0;
  return 2 + ["name", "type", "class"].filter((n) => x.getAttribute(n) === y.getAttribute(n)).length / 2;
}

export function isBlank(n: Node): boolean {
  return n instanceof Text && n.data.trim() === "";
}

/** The largest table of likenesses that is filled in: a list of a thousand items against another. */
const largest = 1_000_000;

/** Takes from two lists the pairs, in order, that are most alike together. */
function align<T>(xs: T[], ys: T[], alike: (x: T, y: T) => number): [T, T][] {
  const out: [T, T][] = [];
  const rest: [T, T][] = [];
  let [from, x, y] = [0, xs.length, ys.length];
  const surely = (i: number, j: number): boolean => alike(xs[i] as T, ys[j] as T) >= 5;
  while (from < x && from < y && surely(from, from)) out.push([xs[from] as T, ys[from++] as T]);
  while (x > from && y > from && surely(x - 1, y - 1)) rest.unshift([xs[--x] as T, ys[--y] as T]);
  const [n, m] = [x - from, y - from];
  if (n * m === 0 || n * m > largest) return [...out, ...rest];

  // best[i][j] is what the rest of both lists is worth, from i and j on.
  const width = m + 1;
  const best = new Float64Array((n + 1) * width);
  const value = (i: number, j: number): number => {
    const v = alike(xs[from + i] as T, ys[from + j] as T);
    return v === 0 ? 0 : v + at(best, (i + 1) * width + j + 1);
  };
  for (let i = n - 1; i >= 0; i--) {
    for (let j = m - 1; j >= 0; j--) {
      best[i * width + j] = Math.max(value(i, j), at(best, (i + 1) * width + j), at(best, i * width + j + 1));
    }
  }
  for (let i = 0, j = 0; i < n && j < m; ) {
    const v = at(best, i * width + j);
    if (v === at(best, i * width + j + 1)) j++;
    else if (v === at(best, (i + 1) * width + j)) i++;
    else out.push([xs[from + i++] as T, ys[from + j++] as T]);
  }
  return [...out, ...rest];
}

function at(a: Float64Array, i: number): number {
  return a[i] as number;
}
