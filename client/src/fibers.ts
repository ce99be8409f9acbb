// Where the components of an update are mounted. React looks at every fiber of the page for them: 10 ms and more in an app of
// 10,000 modules. Between two commits its tree stays as it is, so they can be found beforehand, while the page has nothing else
// to do, and React is told of those alone, in the way in which its DevTools tell it. What is not sure is left to React's search.
//
// https://github.com/facebook/react/blob/main/packages/react-reconciler/src/ReactFiberHotReloading.js

/** A node of React's tree, as far as the search looks at it. */
interface Fiber {
  readonly tag: number;
  readonly type: unknown;
  readonly elementType: unknown;
  readonly alternate: Fiber | null;
  readonly child: Fiber | null;
  readonly sibling: Fiber | null;
}

export interface Root {
  readonly current: Fiber;
  readonly tag?: number;
}

/** What react-refresh has for a component and all that came in its place. */
export interface Family {
  readonly current: unknown;
}

type Resolve = (type: unknown) => Family | undefined;

interface Update {
  readonly updatedFamilies: ReadonlySet<Family>;
  /** Those that are to be mounted anew. */
  readonly staleFamilies: ReadonlySet<Family>;
}

type Search = (root: Root, update: Update) => void;

/** What a renderer gives to React's DevTools. */
export interface Renderer {
  readonly version?: string;
  readonly reconcilerVersion?: string;
  readonly scheduleUpdate?: (fiber: Fiber) => void;
  scheduleRefresh?: Search;
  /** Takes react-refresh's answer to what has come in the place of a component. */
  setRefreshHandler?: (resolve: Resolve) => void;
}

/** What is mounted below a root, until its next commit. */
interface Index {
  readonly current: Fiber;
  readonly mounted: Map<Family, Fiber[]>;
  /** Components of no family, which may come to have one. */
  readonly others: Set<object>;
  /** Among these are error boundaries, and which of them have failed is known to React alone. */
  readonly classes: Fiber[];
  /** What renders a component that another one has come in the place of. */
  readonly outdated: Fiber[];
}

/** A search that is not at its end. */
interface Walk {
  readonly root: Root;
  readonly search: Search;
  readonly index: Index;
  readonly stack: Fiber[];
}

// https://github.com/facebook/react/blob/main/packages/react-reconciler/src/ReactWorkTags.js
const functionComponent = 0;
const classComponent = 1;
const hostComponent = 5;
const forwardRef = 11;
const simpleMemo = 15;
const concurrentRoot = 1;

/** The versions of React whose search is the one done here. */
const known = /^(18|19)\./;

/** In a page with more of them it would be the search that costs less. */
const manyClasses = 1000;

/** How long the page is kept from other work in one go, in ms. */
const slice = 4;

/** One in so many ms is what looking may take of the time of a page that commits again and again. */
const share = 100;

export class Fibers {
  private readonly indexes = new WeakMap<Root, Index>();
  private readonly changed = new Map<Root, Search>();
  private walk: Walk | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private idle = false;
  /** Until then only an update is a reason to look, in ms of performance.now(). */
  private rest = 0;
  private resolve: Resolve = () => undefined;
  /** For what outdated fibers were rendered anew. */
  private readonly mended = new WeakMap<Fiber, unknown>();

  /** `familyOf` is react-refresh's getFamilyByType; `keeps` says whether a component can go on with the state of the one before it. */
  constructor(
    private readonly familyOf: (type: object) => Family | undefined,
    private readonly keeps: (before: unknown, after: unknown) => boolean,
  ) {}

  /** Takes the place of a renderer's search, and returns what is to be told of its commits: nothing if the search is none of those known. */
  adopt(renderer: Renderer): ((root: Root) => void) | undefined {
    const { scheduleRefresh, scheduleUpdate } = renderer;
    if (!scheduleRefresh || !scheduleUpdate || !known.test(renderer.reconcilerVersion ?? renderer.version ?? "")) return undefined;
    const search = scheduleRefresh.bind(renderer);
    const { setRefreshHandler } = renderer;
    renderer.setRefreshHandler = (resolve) => {
      this.resolve = resolve;
      setRefreshHandler?.call(renderer, resolve);
    };
    renderer.scheduleRefresh = (root, update) => {
      this.rest = 0;
      clearTimeout(this.timer);
      this.timer = undefined;
      const fibers = this.find(root, update, search);
      if (fibers) {
        for (const fiber of fibers) scheduleUpdate(fiber);
        search({ current: chain([]) }, update); // renders what is scheduled
      } else {
        search(root, update);
      }
    };
    return (root) => {
      this.indexes.delete(root); // its tree is another one now
      if (this.walk?.root === root) this.walk = undefined;
      this.changed.set(root, search);
      this.later();
    };
  }

  /** The fibers that an update concerns, or null if they are not known for sure. */
  private find(root: Root, update: Update, search: Search): Fiber[] | null {
    const index = this.indexes.get(root);
    if (!index || update.staleFamilies.size > 0) return null;
    const probes = index.classes.flatMap((fiber) => [probe(fiber), probe(fiber.alternate)]);
    search({ current: chain(probes) }, update); // runs effects that wait first, and these may change the tree
    if (this.indexes.get(root) !== index || root.current !== index.current) return null;
    if (probes.some((probe) => probe._debugNeedsRemount)) return null;
    for (const type of index.others) if (this.familyOf(type)) return null;
    const fibers = [...update.updatedFamilies].flatMap((family) => index.mounted.get(family) ?? []);
    return fibers.some((fiber) => fiber.tag === classComponent) ? null : fibers; // a class is mounted anew
  }

  /** Looks when the page has nothing else to do, and has rested. */
  private later(): void {
    if (this.idle || this.timer !== undefined) return;
    const wait = this.walk ? 0 : this.rest - performance.now();
    if (wait > 0) {
      this.timer = setTimeout(() => {
        this.timer = undefined;
        this.later();
      }, wait);
      return;
    }
    this.idle = true;
    whenIdle(() => {
      this.idle = false;
      this.look();
    });
  }

  private look(): void {
    const begin = performance.now();
    while (performance.now() - begin < slice && (this.walk ??= this.begin())) this.step(this.walk);
    this.rest = Math.max(this.rest, begin) + share * (performance.now() - begin);
    if (this.walk || this.changed.size > 0) this.later();
  }

  private begin(): Walk | undefined {
    for (const [root, search] of this.changed) {
      this.changed.delete(root);
      if (root.tag !== concurrentRoot) continue; // others render each fiber as soon as it is scheduled
      const index = { current: root.current, mounted: new Map(), others: new Set<object>(), classes: [], outdated: [] };
      return { root, search, index, stack: [root.current] };
    }
    return undefined;
  }

  private step(walk: Walk): void {
    const { root, index, stack } = walk;
    for (let i = 0; i < 200; i++) {
      const fiber = stack.pop();
      if (!fiber) {
        this.walk = undefined;
        if (index.classes.length <= manyClasses) this.indexes.set(root, index);
        if (index.outdated.length > 0) this.mend(walk);
        return;
      }
      if (fiber.sibling) stack.push(fiber.sibling);
      if (fiber.child) stack.push(fiber.child);
      this.note(index, fiber);
    }
  }

  private note(index: Index, fiber: Fiber): void {
    if (fiber.tag === classComponent) index.classes.push(fiber);
    const type = componentOf(fiber);
    if (!type) return;
    const family = this.familyOf(type);
    if (!family) {
      index.others.add(type);
      return;
    }
    const mounted = index.mounted.get(family);
    if (mounted) mounted.push(fiber);
    else index.mounted.set(family, [fiber]);
    const now = this.resolve(type)?.current ?? type;
    if (now === type || this.mended.get(fiber) === now || (fiber.alternate && this.mended.get(fiber.alternate) === now)) return;
    this.mended.set(fiber, now);
    index.outdated.push(fiber);
  }

  /**
   * Renders what is outdated. A component that React was about to mount when another one came in its place, in a transition, say, is
   * mounted as it was: a search sees only what is mounted already.
   */
  private mend({ root, search, index }: Walk): void {
    const updatedFamilies = new Set<Family>();
    const staleFamilies = new Set<Family>();
    for (const fiber of index.outdated) {
      const type = componentOf(fiber);
      const family = this.resolve(type);
      if (family) (this.keeps(type, family.current) ? updatedFamilies : staleFamilies).add(family);
    }
    search(root, { updatedFamilies, staleFamilies });
  }
}

/**
 * Calls f behind all else that waits. An idle callback would have to wait for a frame, and where nothing moves none comes; Safari has
 * neither.
 */
function whenIdle(f: () => void): void {
  const { scheduler } = globalThis as { scheduler?: { postTask?(f: () => void, options: { priority: "background" }): unknown } };
  if (scheduler?.postTask) scheduler.postTask(f, { priority: "background" }); // it may be an element of that ID
  else setTimeout(f, 50);
}

function componentOf({ tag, type }: Fiber): object | null {
  switch (tag) {
    case functionComponent:
    case classComponent:
    case simpleMemo:
      return type as object;
    case forwardRef:
      return (type as { render: object }).render;
    default:
      return null;
  }
}

/** What the search comes by in place of a fiber, with no more to look at than whether it is a boundary that has failed. */
interface Probe extends Fiber {
  sibling: Probe | null;
  return: null;
  lanes: number;
  flags: number;
  /** Set by the search. */
  _debugNeedsRemount?: boolean;
}

function probe(alternate: Fiber | null, child: Fiber | null = null): Probe {
  return { tag: hostComponent, type: null, elementType: null, alternate, child, sibling: null, return: null, lanes: 0, flags: 0 };
}

/** A tree of these alone. */
function chain(probes: Probe[]): Fiber {
  probes.forEach((probe, i) => (probe.sibling = probes[i + 1] ?? null));
  return probe(null, probes[0]);
}
