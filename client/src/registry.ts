// The module registry of the page, at globalThis.__devserve: the factories that bundles bring, and
// the modules that they became. A factory runs when its module is first required, as in
// CommonJS, which for what esbuild makes of ES modules is their order of evaluation.
//
// Modules with top-level await, and those that import one, are run by promise instead, before
// anything requires them; see run.

import { type Exports, helpers, Lazy, markES } from "./interop";
import type { Update } from "./protocol";
import { Styles } from "./style";

/** What a bundle brings for a module: esbuild's output, wrapped. It returns a promise if it has top-level await. */
type Factory = (module: Module, exports: Exports, require: Require, meta: Meta) => unknown;

/** Gives what a module exports; for what import() became, a [Lazy]. */
type Require = (id: string) => unknown;

/** What import.meta is in a module. */
interface Meta {
  url: string;
  env: Record<string, unknown>;
  /** Shows the module's style sheet. */
  style(): void;
  resolve(spec: string): string;
}

interface Module {
  id: string;
  exports: unknown;
}

/** A module that has run, is running, or has thrown. */
interface Instance extends Module {
  error?: { thrown: unknown };
  done?: Promise<void>; // of one that runs by promise
}

interface Definition {
  factory: Factory;
  build: number;
}

const lazyPrefix = "lazy:";

export class Registry {
  /** The newest build that any bundle or update on this page contains; 0 if there is none. */
  build = 0;

  /** ID of the newest server event that this page has dealt with: what tools and tests wait for. */
  event = "";

  /** IDs of entries that were never built. */
  readonly failed: string[] = [];

  readonly helpers = helpers;

  private env: Record<string, unknown> = { BASE_URL: "/" };
  private readonly definitions = new Map<string, Definition>();
  private readonly instances = new Map<string, Instance>();
  private readonly styles = new Styles();

  /** The static imports, in order, of modules that run by promise. */
  private readonly asyncs = new Map<string, string[]>();

  /** What runs on the page without being imported by anything: entries, and what import() asked for. */
  private readonly roots = new Set<string>();
  private readonly loads = new Map<string, Promise<unknown>>();

  /** Takes in the environment that import.meta.env shows. */
  setEnv(env: Record<string, unknown>): void {
    this.env = env;
  }

  /** Takes in the packages: a factory that returns a table of functions, of which `es` name ES modules. */
  dependencies(build: number, factory: Factory, ids: string[], es: string[], style: string): void {
    let table: Record<string, () => unknown> | undefined;
    for (const id of ids) {
      if (this.definitions.has(id)) continue; // two bundles of one page share their packages
      const load: Factory = (module) => {
        if (!table) {
          const packages: Module = { id: "packages", exports: {} };
          factory(packages, packages.exports as Exports, (dep) => this.require(dep, ""), this.meta(""));
          table = packages.exports as Record<string, () => unknown>;
          if (style) this.styles.show("packages", style);
        }
        module.exports = table[id]?.();
        if (es.includes(id)) markES(module.exports as object);
      };
      this.definitions.set(id, { factory: load, build });
    }
  }

  /** Takes in a bundle's modules. What this page has already, from another bundle of it, stays. */
  define(
    build: number,
    factories: Record<string, Factory>,
    styles: Record<string, string>,
    remotes: Record<string, object>,
    asyncs: Record<string, string[]>,
  ): void {
    this.build = Math.max(this.build, build);
    for (const [id, factory] of Object.entries(factories)) {
      if (!this.definitions.has(id)) this.definitions.set(id, { factory, build });
    }
    for (const [id, text] of Object.entries(styles)) this.styles.define(id, text, build);
    for (const [url, namespace] of Object.entries(remotes)) {
      markES(namespace);
      this.instances.set(url, { id: url, exports: namespace });
    }
    for (const [id, imports] of Object.entries(asyncs)) this.asyncs.set(id, imports);
  }

  /** Runs an entry; returns its exports, or a promise for them when something awaits at its top level. */
  start(id: string): unknown {
    this.roots.add(id);
    if (!this.asyncs.has(id)) return this.require(id, id);
    return this.run(id, new Set()).then(() => this.require(id, id));
  }

  /** Reports whether a module or an imported style sheet is in this page. */
  has(id: string): boolean {
    return this.definitions.has(id);
  }

  /** Applies updates that carry code. Resolves to null, or to the reason why the page must reload. */
  async update(build: number, updates: Update[]): Promise<string | null> {
    const news = updates.filter((u) => u.code !== undefined);
    this.build = Math.max(this.build, build);
    for (const u of news) {
      if (u.type === "css") this.styles.update(u.path, u.code ?? "", build);
    }
    const stale = news.find((u) => u.type === "js" && (this.definitions.get(u.path)?.build ?? build) < build);
    return stale ? `${stale.path} changed` : null;
  }

  /** Returns what the module exports, having run it if it has not. `importer` is who asks. */
  private require(id: string, importer: string): unknown {
    if (id.startsWith(lazyPrefix)) return this.lazy(id.slice(lazyPrefix.length));
    const instance = this.instances.get(id);
    if (instance) {
      if (instance.error) throw instance.error.thrown;
      return instance.exports;
    }
    const definition = this.definitions.get(id);
    // esbuild resolves what can be known; what is left is import() of an expression.
    if (!definition) return Lazy.resolve(native(this.resolve(id, importer)));
    return this.evaluate(id, definition).exports;
  }

  private evaluate(id: string, { factory }: Definition): Instance {
    const instance: Instance = { id, exports: {} };
    this.instances.set(id, instance);
    try {
      const result = factory(instance, instance.exports as Exports, (dep) => this.require(dep, id), this.meta(id));
      if (result instanceof Promise) {
        instance.done = result.catch((thrown: unknown) => {
          instance.error = { thrown };
          throw thrown;
        });
        instance.done.catch(() => undefined); // who awaits it hears of it
      }
    } catch (thrown) {
      instance.error = { thrown }; // as the module map of a browser does
      throw thrown;
    }
    return instance;
  }

  /**
   * Runs a module that waits for something, after what it imports: siblings are started in order and awaited
   * together. https://tc39.es/ecma262/#sec-innermoduleevaluation
   */
  private async run(id: string, seen: Set<string>): Promise<void> {
    const running = this.instances.get(id);
    if (running) {
      if (running.error) throw running.error.thrown;
      return running.done;
    }
    if (seen.has(id)) return; // a cycle
    seen.add(id);
    const imports = this.asyncs.get(id);
    if (imports) await Promise.all(imports.map((dep) => this.run(dep, seen)));
    const definition = this.definitions.get(id);
    if (definition && !this.instances.has(id)) await this.evaluate(id, definition).done;
  }

  /** Answers import(): what the page has not got is fetched first. */
  private lazy(id: string): Lazy {
    const load = async (): Promise<unknown> => {
      if (!this.definitions.has(id) && !this.instances.has(id)) await this.fetch(id);
      this.roots.add(id);
      if (this.asyncs.has(id)) await this.run(id, new Set());
      return this.require(id, id);
    };
    return new Lazy((resolve, reject) => load().then(resolve, reject));
  }

  private fetch(id: string): Promise<unknown> {
    let loading = this.loads.get(id);
    if (!loading) {
      if (/^(https?:)?\/\//.test(id)) {
        loading = native(id).then((namespace) => {
          markES(namespace);
          this.instances.set(id, { id, exports: namespace });
        });
      } else {
        const base = String(this.env["BASE_URL"]);
        const path = id.startsWith(base) ? id.slice(base.length) : `@/${id}`;
        const query = new URLSearchParams([...this.roots].map((root) => ["from", root]));
        query.append("t", String(Date.now())); // a module that failed is asked for again
        const escaped = encodeURIComponent(path).replace(/%2F/g, "/").replace(/\.\./g, "%2E%2E");
        loading = native(`${base}_devserve/build/lazy/${escaped}?${query}`);
      }
      this.loads.set(id, loading);
      loading.catch(() => undefined).then(() => this.loads.delete(id));
    }
    return loading;
  }

  private meta(id: string): Meta {
    const url = this.resolve(id, "");
    return {
      url,
      env: this.env,
      style: () => this.styles.showDefined(id),
      resolve: (spec) => this.resolve(spec, id),
    };
  }

  private resolve(spec: string, importer: string): string {
    const origin = globalThis.location?.origin ?? "null";
    try {
      return new URL(spec, new URL(importer, origin)).href;
    } catch {
      return spec;
    }
  }
}

/** The browser's own import(). */
function native(url: string): Promise<object> {
  return import(url) as Promise<object>;
}

declare global {
  var __devserve: Registry | undefined;
}

/** Returns the page's registry and creates it when this is the first to ask. */
export function registry(): Registry {
  return (globalThis.__devserve ??= new Registry());
}
