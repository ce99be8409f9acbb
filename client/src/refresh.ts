// React Fast Refresh: which modules take their own updates, and when React looks at what changed.
//
// The builder appends to every module of a React site a call that names its components and
// what they do with hooks (builder/refresh). What react-refresh's Babel plugin does inside of each component
// is done here, from outside: signatures are set when a module has run, and the custom
// hooks that they depend on are looked up before an update, while the old ones are still there.
//
// https://github.com/facebook/react/tree/main/packages/react-refresh

import type { Exports } from "./interop";
import type { Node, Registry } from "./registry";

/** Hook calls as a key, whether state is to be lost in any case, and the custom hooks among them. */
type Signature = [key: string, reset: boolean, hooks: () => unknown[]];

/** A component, a custom hook, or what is reached in another way (its name begins with a dot). */
type Entry = [name: string, get: () => unknown, signature?: Signature];

/** The part of react-refresh/runtime that we call. */
interface Runtime {
  injectIntoGlobalHook(global: typeof globalThis): void;
  register(type: unknown, id: string): void;
  setSignature(type: unknown, key: string, reset: boolean, hooks?: () => unknown[]): void;
  collectCustomHooksForSignature(type: unknown): void;
  isLikelyComponentType(type: unknown): boolean;
  performReactRefresh(): unknown;
}

export class Refresh {
  private readonly runtime: Runtime;
  private uncollected: unknown[] = [];
  private changed = false;

  /** `load` is react-refresh's runtime as a CommonJS module; it must run before React's renderer does. */
  constructor(
    private readonly registry: Registry,
    load: (module: { exports: unknown }, exports: unknown) => void,
  ) {
    const module = { exports: {} as unknown };
    load(module, module.exports);
    this.runtime = module.exports as Runtime;
    this.runtime.injectIntoGlobalHook(globalThis);
    registry.events.on("vite:beforeUpdate", () => this.collect());
    registry.events.on("vite:afterUpdate", () => this.perform());
  }

  /** Takes in what a module that has just run to its end defines. */
  register(node: Node, entries: Entry[]): void {
    const signatures = new Map<string, string>();
    for (const [name, get, signature] of entries) {
      const type = get();
      if (signature) {
        this.sign(type, signature);
        signatures.set(name, signature[0]);
      }
      if (/^\p{Lu}|^%default%$/u.test(name)) this.runtime.register(type, `${node.id} ${name}`);
    }
    const exports = values(node.instance?.own as Exports);
    let components = 0;
    for (const [name, value] of exports) {
      if (!this.runtime.isLikelyComponentType(value)) continue;
      components++;
      this.runtime.register(value, `${node.id} export ${name}`);
    }
    // A module without a component to show, such as the one that renders the root, is no place to stop at.
    if (components === 0) return;
    node.hot.signatures = signatures;
    node.hot.list.push({
      deps: [node.id],
      callback: (fresh) => this.accept(node, exports, signatures, fresh.get(node.id)),
    });
  }

  private sign(type: unknown, [key, reset, hooks]: Signature): void {
    if (typeof type !== "function" && (typeof type !== "object" || type === null)) return;
    this.runtime.setSignature(type, key, reset, hooks);
    this.uncollected.push(type);
  }

  /** Looks up the custom hooks of what has run since the last update: the old ones, for after it they are others. */
  private collect(): void {
    for (const type of this.uncollected) this.runtime.collectCustomHooksForSignature(type);
    this.uncollected = [];
  }

  /** Takes a module that ran again, or says why its importers must run again too. */
  private accept(node: Node, before: Map<string, unknown>, keys: Map<string, string>, fresh: Exports | undefined): void {
    if (!fresh) return; // it threw
    const now = values(fresh);
    const why = this.differs(before, now);
    if (why) return this.registry.invalidate(node, false, why);
    for (const [name, key] of node.hot.signatures ?? []) {
      if ((keys.get(name) ?? key) !== key) console.info(`[devserve] ${name} in ${node.id} is mounted anew: its hooks changed`);
    }
    this.changed = true;
  }

  /** Says which export keeps a module from being replaced by itself, or "". */
  private differs(before: Map<string, unknown>, now: Map<string, unknown>): string {
    for (const name of before.keys()) if (!now.has(name)) return `export "${name}" is gone`;
    for (const [name, value] of now) {
      if (!before.has(name)) return `export "${name}" is new`;
      if (!this.runtime.isLikelyComponentType(value) && before.get(name) !== value) return `export "${name}" is no component`;
    }
    return "";
  }

  private perform(): void {
    if (!this.changed) return;
    this.changed = false;
    this.runtime.performReactRefresh();
  }
}

function values(exports: Exports | undefined): Map<string, unknown> {
  return new Map(Object.keys(exports ?? {}).map((name) => [name, exports?.[name]]));
}
