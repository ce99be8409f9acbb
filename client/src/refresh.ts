// Fast Refresh: which modules take their own updates, and when React or Preact looks at what changed.
//
// The builder appends to every module of such a site a call that names its components and
// what they do with hooks (builder/refresh). What react-refresh's Babel plugin does inside of each component
// is done here, from outside: signatures are set when a module has run, and the custom
// hooks that they depend on are looked up before an update, while the old ones are still there.
//
// https://github.com/facebook/react/tree/main/packages/react-refresh

import type { Exports } from "./interop";
import type { Node, Registry } from "./registry";

/** Hook calls as a key, whether state is to be lost in any case, and the custom hooks among them. */
type Signature = [key: string, reset: boolean, hooks?: () => unknown[]];

/** A component, a custom hook, or what is reached in another way (its name begins with a dot). */
type Entry = [name: string, value: unknown, signature?: Signature];

/** What is known of a component's or a custom hook's signature. */
interface Signed {
  key: string;
  reset: boolean;
  hooks: () => unknown[];
  whole?: Whole;
}

/** All that decides whether a component's state can stay: its key and those of the custom hooks that it calls. */
interface Whole {
  key: string;
  reset: boolean;
}

/** What does it for a library: react-refresh/runtime, by its own names, or preact.ts. */
export interface Runtime {
  register(type: unknown, id: string): void;
  setSignature?(type: unknown, key: string, reset: boolean, hooks?: () => unknown[]): void;
  collectCustomHooksForSignature?(type: unknown): void;
  isLikelyComponentType(type: unknown): boolean;
  /** Whether the instance of a class hands its state to that of the next. */
  readonly keepsClasses?: boolean;
  /** Shows what was registered under the ID of another; `why` is {@link Refresh.loses}. */
  performReactRefresh(why: (before: unknown, after: unknown) => string): unknown;
}

export class Refresh {
  private readonly signed = new WeakMap<object, Signed>();
  /** Under which name a component was registered first: React replaces one by the next of the same name. */
  private readonly names = new WeakMap<object, string>();
  /** What packages export. */
  private readonly foreign = new WeakSet<object>();
  private uncollected: object[] = [];
  private changed = false;

  /** `kind` tells components apart that must not come in each other's places. */
  constructor(
    private readonly registry: Registry,
    private readonly runtime: Runtime,
    private readonly kind: (type: unknown) => string,
  ) {
    registry.events.on("vite:beforeUpdate", () => this.collect());
    registry.events.on("vite:afterUpdate", () => this.perform());
  }

  /** Takes in what a module that has just run to its end defines. */
  register(node: Node, entries: Entry[]): void {
    const own = new Map<string, unknown>();
    for (const [name, type, signature] of entries) {
      if (signature) this.sign(type, signature);
      if (/^\p{Lu}|^%default%$/u.test(name)) own.set(name, type);
    }
    for (const [name, type] of this.withParts(own)) {
      if (own.has(name) || this.isOwn(type)) this.take(type, `${node.id} ${name}`);
    }
    const exports = this.exported(node.instance?.own as Exports);
    const known = new Set(own.values());
    const all = new Map(own);
    let components = 0;
    for (const [name, type] of exports) {
      if (!this.isComponent(type, name)) continue;
      components++;
      if (known.has(type)) continue;
      all.set(name, type);
      if (!this.names.has(type) && this.isOwn(type)) this.take(type, `${node.id} export ${name}`);
    }
    // A module without a component to show, such as the one that renders the root, is no place to stop at.
    if (components === 0) return;
    node.hot.components = all;
    node.hot.list.push({
      deps: [node.id],
      callback: (fresh) => this.accept(node, exports, all, fresh.get(node.id)),
    });
  }

  private take(type: unknown, name: string): void {
    const id = name + this.kind(type);
    this.runtime.register(type, id);
    if ((typeof type === "function" || this.isComponent(type)) && !this.names.has(type)) this.names.set(type, id);
  }

  /**
   * Reports whether a component is no package's. One of those has no signature that tells whether another one of
   * the package can go on with its state: they do not come in each other's places.
   */
  private isOwn(type: unknown): boolean {
    const note = (value: unknown): void => {
      if (typeof value === "function" || (typeof value === "object" && value)) this.foreign.add(value);
    };
    for (const exports of this.registry.foreign.splice(0)) {
      note(exports);
      for (const name of Object.keys(Object(exports))) {
        try {
          note((exports as Exports)[name]);
        } catch {
          // A getter that has nothing to give.
        }
      }
    }
    return !this.foreign.has(type as object);
  }

  /** What calls hooks is a component by the name of an export too: its own may be one that a tool gave it. */
  private isComponent(type: unknown, exported = ""): type is object {
    return this.runtime.isLikelyComponentType(type) || (/^\p{Lu}/u.test(exported) && this.signed.has(type as object));
  }

  /** Adds to components those that are properties of theirs, as Tabs.Panel. */
  private *withParts(types: Iterable<[string, unknown]>): Iterable<[string, unknown]> {
    for (const [name, type] of types) {
      yield [name, type];
      if (typeof type !== "function" && !this.isComponent(type)) continue;
      for (const key of Object.keys(type)) {
        if (!/^\p{Lu}/u.test(key)) continue;
        const value: unknown = Object.getOwnPropertyDescriptor(type, key)?.value; // a getter may do anything
        if (typeof value === "function" || this.isComponent(value)) yield [`${name}.${key}`, value];
      }
    }
  }

  /** What a module exports, by name. */
  private exported(exports: Exports | undefined): Map<string, unknown> {
    const all = Object.keys(exports ?? {}).map((name): [string, unknown] => [name, exports?.[name]]);
    return new Map(this.withParts(all));
  }

  private sign(type: unknown, [key, reset, hooks = none]: Signature): void {
    if (typeof type !== "function" && (typeof type !== "object" || type === null)) return;
    this.runtime.setSignature?.(type, key, reset, hooks);
    this.signed.set(type, { key, reset, hooks });
    this.uncollected.push(type);
    const { type: memoized, render } = type as { type?: unknown; render?: unknown };
    const inner = memoized ?? (typeof type === "object" ? render : undefined); // of memo() or forwardRef()
    if (inner && !this.signed.has(inner)) this.sign(inner, [key, reset, hooks]);
  }

  /** Looks up the custom hooks of what has run since the last update: the old ones, for after it they are others. */
  private collect(): void {
    for (const type of this.uncollected) {
      this.runtime.collectCustomHooksForSignature?.(type);
      this.whole(type);
    }
    this.uncollected = [];
  }

  private whole(type: unknown): Whole {
    const own = this.signed.get(type as object);
    if (!own) return { key: "", reset: false };
    if (own.whole) return own.whole;
    own.whole = { key: own.key, reset: own.reset }; // for hooks that call each other
    try {
      for (const hook of own.hooks().map((hook) => this.whole(hook))) {
        own.whole.key += `\n---\n${hook.key}`;
        own.whole.reset ||= hook.reset;
      }
    } catch {
      // A hook that is not there yet, or not any more.
    }
    return own.whole;
  }

  /** Takes a module that ran again, or says why its importers must run again too. */
  private accept(node: Node, before: Map<string, unknown>, old: Map<string, unknown>, fresh: Exports | undefined): void {
    if (!fresh) return; // it threw
    for (const [name, type] of node.hot.components ?? []) {
      if (!old.has(name)) continue;
      const why = this.loses(old.get(name), type);
      const what = name === "%default%" || name === "default" ? "the default export of" : `${name} in`;
      if (why) console.info(`[devserve] ${what} ${node.id} is mounted anew: ${why}`);
    }
    const why = this.differs(before, this.exported(fresh));
    if (why) return this.registry.invalidate(node, false, why);
    this.changed = true;
  }

  /** Reports whether a component can go on with the state of the one before it. */
  keeps(before: unknown, after: unknown): boolean {
    return this.loses(before, after) === "";
  }

  /** Says why a component cannot go on with the state of the one before it, or "". */
  private loses(before: unknown, after: unknown): string {
    const { key, reset } = this.whole(after);
    if (reset) return "its state is to be reset";
    if (!this.runtime.keepsClasses && (isClass(before) || isClass(after))) return "it is a class";
    return this.whole(before).key === key ? "" : "its hooks changed";
  }

  /** Says which export keeps a module from being replaced by itself, or "". */
  private differs(before: Map<string, unknown>, now: Map<string, unknown>): string {
    for (const name of before.keys()) if (!now.has(name)) return `export "${name}" is gone`;
    for (const [name, value] of now) {
      if (!before.has(name)) return `export "${name}" is new`;
      const old = before.get(name);
      if (old === value) continue;
      const id = this.names.get(value as object);
      if (id !== undefined && id === this.names.get(old as object)) continue;
      return `export "${name}" is ${this.isComponent(value) ? "another" : "no"} component`;
    }
    return "";
  }

  private perform(): void {
    if (!this.changed) return;
    this.changed = false;
    try {
      this.runtime.performReactRefresh((before, after) => this.loses(before, after));
    } catch (thrown) {
      reportError(thrown); // a component's: React 19 does the same, versions before it throw
    }
  }
}

const none = (): unknown[] => [];

function isClass(type: unknown): boolean {
  const { prototype } = Object(type) as { prototype?: { render?: unknown } };
  return prototype?.render !== undefined;
}
