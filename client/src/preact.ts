// Preact's part in Fast Refresh. Comes in front of the bundles of a Preact site, after the runtime.
//
// @prefresh/core (builder/preact/core.js) knows which components are on the screen and puts one in the place of another. Which one,
// and whether its state can stay, is said here, by the rules that hold for React. What failed is mended here too, which
// prefresh leaves to the next reload.

import { Refresh, type Runtime } from "./refresh";
import type {} from "./registry"; // declares __devserve

/** A component's instance. */
interface Instance {
  constructor: { getDerivedStateFromError?: unknown; new (props: unknown, context: unknown): { state?: object } };
  componentDidCatch?: unknown;
  props: unknown;
  context: unknown;
  state: object;
  __P?: unknown; // the DOM node that it is in, while it is in one
  __v?: VNode;
  __H?: { __: Hook[] };
  setState(change: object): void;
}

/** What a component's hook keeps: a value, which for useState is [state, set], and what it depends on. */
interface Hook {
  __?: unknown;
  __H?: unknown[] | undefined;
}

/** A node of the tree; `__` is its parent. */
interface VNode {
  type: unknown;
  __?: VNode;
  __c?: Instance;
}

/** Preact's options, of which some have names that its build shortens: https://github.com/preactjs/preact/blob/main/mangle.json */
export interface Options {
  vnode?: (node: VNode) => void;
  debounceRendering?: (process: Process) => void;
  __e: (error: unknown, node: VNode, ...rest: unknown[]) => void; // an error is to be caught
  __h?: (component: Instance, index: number, type: number) => void; // a hook is called
}

/** Renders what waits for it; Preact 10 counts how often in `__r`. */
type Process = (() => void) & { __r?: number };

/** By which number options.__h knows it. */
const useRef = 5;

type Replace = (before: unknown, after: unknown, reset: boolean) => void;

class Preact implements Runtime {
  readonly keepsClasses = true;
  private readonly known = new WeakSet<object>();
  private readonly latest = new Map<string, object>();
  private readonly pending = new Map<object, object>();
  private readonly replaced = new WeakMap<object, object>();
  /** The boundaries that have caught an error, and which. */
  private readonly caught = new Map<Instance, unknown>();
  /** What was thrown last and nobody caught. */
  private thrown: unknown;
  /** Whether a component took others with it, so that what Preact has of them is no more what is in the page. */
  private torn = false;

  constructor(private readonly reload: (reason: string) => void) {}

  /** Takes in Preact itself, before it renders anything, and with prefresh in it. */
  join(options: Options): void {
    const { vnode, __e: caught, __h: hook } = options;
    // Elements that are kept, as children that their owner does not render again, go on with what came in the place of their type.
    options.vnode = (node) => {
      vnode?.(node);
      let { type } = node;
      if (typeof type !== "function") return;
      Object.defineProperty(node, "type", {
        get: () => (type = this.newest(type)),
        set: (other: unknown) => (type = other),
        enumerable: true,
        configurable: true,
      });
    };
    options.__e = (error, node, ...rest) => {
      const boundary = boundaryOf(node);
      try {
        caught(error, node, ...rest);
      } catch (thrown) {
        // Called for the component that threw, then for each around it, up to the one that Preact began with.
        this.torn ||= this.thrown === error;
        this.thrown = error;
        throw thrown;
      }
      if (boundary) this.caught.set(boundary, error);
    };
    // prefresh makes all hooks forget what they depend on. useRef and useSignal depend on nothing, and keep what they have.
    options.__h = (component, index, type) => {
      hook?.(component, index, type);
      const state = component.__H?.__[index];
      if (state && (type === useRef || isSignal(state.__))) state.__H ??= [];
    };
    // As prefresh's, but what is thrown reaches the page's error event, and so the overlay.
    options.debounceRendering = (process) => queueMicrotask(() => {
      try {
        process();
      } catch (thrown) {
        process.__r = 0;
        throw thrown;
      }
    });
  }

  private newest(type: unknown): unknown {
    for (let next = type; next; next = this.replaced.get(next)) type = next;
    return type;
  }

  register(type: unknown, id: string): void {
    if (typeof type !== "function" || this.known.has(type)) return;
    this.known.add(type);
    const before = this.latest.get(id);
    this.latest.set(id, type);
    if (before) this.pending.set(before, type);
    const { type: inner } = type as { type?: unknown }; // of memo()
    this.register(inner, `${id} memo`);
  }

  isLikelyComponentType(type: unknown): boolean {
    if (typeof type !== "function" || "Provider" in type) return false; // the latter is a context
    if (isClassBased(type) || "$$typeof" in type || "type" in type) return true;
    return /^\p{Lu}/u.test(type.name) && !isClass(type);
  }

  performReactRefresh(why: (before: unknown, after: unknown) => string): void {
    if (this.torn) return this.reload("a component that threw took others with it");
    const { replaceComponent } = (globalThis as unknown as { __PREFRESH__: { replaceComponent: Replace } }).__PREFRESH__;
    for (const [before, after] of this.pending) {
      this.replaced.set(before, after);
      replaceComponent(before, after, why(before, after) !== "");
    }
    this.pending.clear();
    for (const [boundary, error] of this.caught) reset(boundary, error);
    this.caught.clear();
  }
}

/** Gives an error boundary the state that it began with; a class has another instance by now if it was replaced. */
function reset({ __P: within, __v: node }: Instance, error: unknown): void {
  const boundary = within ? node?.__c : undefined;
  if (!boundary) return;
  for (const { __: value } of boundary.__H?.__ ?? []) {
    if (Array.isArray(value) && value[0] === error) (value[1] as (state: undefined) => void)(undefined); // useErrorBoundary
  }
  if (!isClassBased(boundary.constructor)) return;
  const none = Object.fromEntries(Object.keys(boundary.state ?? {}).map((key) => [key, undefined]));
  boundary.setState({ ...none, ...new boundary.constructor(boundary.props, boundary.context).state });
}

/** The component that will be asked to take what was thrown at a node. */
function boundaryOf(node: VNode): Instance | undefined {
  for (let at = node.__; at; at = at.__) {
    if (at.__c?.componentDidCatch ?? at.__c?.constructor.getDerivedStateFromError) return at.__c;
  }
  return undefined;
}

/** Those of @preact/signals. */
function isSignal(value: unknown): boolean {
  return (value as { brand?: unknown } | null | undefined)?.brand === Symbol.for("preact-signals");
}

/** An instance of a class is no place for a function, nor one that memo() has made keep still. */
function kind(type: unknown): string {
  if (typeof type !== "function") return "";
  if ("type" in type) return " memo";
  return isClassBased(type) ? " class" : "";
}

/** Whether Preact makes instances of a type, and does not just call it. */
function isClassBased(type: object): boolean {
  return Boolean((type as { prototype?: { render?: unknown } }).prototype?.render);
}

function isClass(type: object): boolean {
  return Function.prototype.toString.call(type).startsWith("class");
}

const page = globalThis.__devserve!;
page.joinPreact ??= (options) => {
  const runtime = new Preact((reason) => page.onReload(reason));
  runtime.join(options);
  const host = new Refresh(page, runtime, kind);
  page.registerComponents = (node, entries) => host.register(node, entries as never);
};
