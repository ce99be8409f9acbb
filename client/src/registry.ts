// The module registry of the page, at globalThis.__devserve: the factories that bundles bring, and
// the modules that they became. A factory runs when its module is first required, as in
// CommonJS, which for what esbuild makes of ES modules is their order of evaluation.
//
// Modules with top-level await, and those that import one, are run by promise instead, before
// anything requires them; see run.
//
// What importers hold of a module, its namespace, is one object for good. When a module runs again
// after an edit (update.ts), its new exports are put into that object, so an importer that
// reads a binding reads the new one, as with webpack and Bun.

import { blame } from "./blame";
import { Acceptances, Events, Statuses, ViteHot, WebpackHot } from "./hot";
import { type Job, Runner } from "./await";
import { type Exports, exportAll, helpers, isES, Lazy, markES, reExport, retarget, rewrap, sort, toCommonJS } from "./interop";
import type { Options } from "./preact";
import type { ModuleInfo, Update } from "./protocol";
import { Styles } from "./style";
import { Updater } from "./update";

/** What a bundle brings for a module: esbuild's output, wrapped. It returns a promise if it has top-level await. */
export type Factory = (module: Instance, exports: Exports, require: Require, meta: Meta) => unknown;

/** Gives what a module exports; for what import() became, a [Lazy]. */
type Require = (id: string, expression?: unknown) => unknown;

/** What import.meta is in a module. */
interface Meta {
  url: string;
  hot: ViteHot;
  webpackHot: WebpackHot;
  env: Record<string, unknown>;
  /** Shows the module's style sheet. */
  style(): void;
  resolve(spec: string): string;
  /** Names the module's components, at its end, on sites with React or Preact. */
  refresh(entries: unknown[]): void;
}

/** A module as the page knows it, through all its evaluations. */
export class Node {
  factory: Factory | undefined;
  /** The build that brought the factory. */
  build = 0;
  instance: Instance | undefined;
  /** Whether it runs without being imported, as an entry does. */
  root = false;
  /** Whether it is in the bundle of packages, which stays as long as the page. */
  packed = false;
  /** When it ran, counted over the page. */
  order = 0;
  /** Those that import it, by import() too. */
  readonly parents = new Set<Node>();
  /** What it has imported, in the order in which it asked. */
  readonly children = new Set<Node>();
  /** What it has asked for by import(), as long as its code says so. */
  readonly lazies = new Set<Node>();
  /** What import.meta.hot.data shows. */
  data: Record<string, unknown> = {};
  hot = new Acceptances();
  dispose: ((data: Record<string, unknown>) => unknown) | undefined;
  prune: ((data: Record<string, unknown>) => unknown) | undefined;
  /** What importers hold, if it is an ES module. */
  namespace: Exports | undefined;
  /** The static imports, in order, of a module that runs by promise. */
  asyncImports: string[] | undefined;
  /** Its evaluation, of a module that runs by promise. */
  job: Job | undefined;
  /** The names that each importer reads; kept for modules that accept exports by name. */
  importedNames = new Map<string, string[]>();
  /** IDs by import specifier; kept for modules that accept dependencies. */
  specs: Record<string, string> = {};

  constructor(readonly id: string) {}
}

/** One evaluation of a module: what its code sees as `module`. */
export class Instance {
  readonly hot: WebpackHot;
  error?: { thrown: unknown };
  done?: Promise<void>; // of one that runs by promise
  /** What this evaluation exports, while the namespace shows what the newest does. */
  own: unknown = {};
  private current: unknown = this.own;

  constructor(
    registry: Registry,
    private readonly node: Node,
  ) {
    this.hot = new WebpackHot(registry, node);
  }

  get id(): string {
    return this.node.id;
  }

  get exports(): unknown {
    return this.current;
  }

  set exports(value: unknown) {
    this.own = value;
    this.current = value;
    if (!isES(value)) return;
    const held = this.node.namespace;
    if (held && held !== value) {
      retarget(held, value);
      this.current = held;
    } else {
      this.node.namespace = value;
    }
  }

  /** Makes an object what an ES module exports. */
  link(target: Exports, all: Record<string, () => unknown>): void {
    exportAll(target, all);
    this.exports = toCommonJS(target);
  }

  /** Is export * from a module that awaits. */
  star(target: Exports, mod: unknown): void {
    reExport(target, mod, this.current as Exports);
  }
}

const lazyPrefix = "lazy:";

export class Registry {
  /** The newest build that any bundle or update on this page contains; 0 if there is none. */
  build = 0;

  /** IDs of what the page has asked for in vain, for it could not be built, and in which build not. */
  readonly failed = new Map<string, number>();

  readonly helpers = helpers;
  readonly events = new Events();
  readonly statuses = new Statuses();
  readonly styles = new Styles();
  readonly nodes = new Map<string, Node>();

  /** The build that the modules in this page are of; 0 if there are none. What import() brought may be newer. */
  applied = 0;

  /** How long modules may take to be replaced, in ms, before the page is loaded anew. */
  patience = 10_000;

  /** What modules that are none of the site's own export, for Fast Refresh. */
  readonly foreign: unknown[] = [];

  /** Modules that threw while they ran, and did not run again since. */
  readonly errors = new Map<Node, unknown>();

  // Set by the client: who carries a message to the server, reloads the page, shows errors.
  send: (event: string, data?: unknown) => void = () => undefined;
  onReload: (reason: string) => void = () => globalThis.location?.reload();
  onErrors: () => void = () => undefined;
  onFailure: (thrown: unknown) => void = () => this.onReload("an update failed");

  // Set by react.ts and preact.ts, on sites with React or Preact.
  refresh: ((load: (module: { exports: unknown }, exports: unknown) => void) => void) | undefined;
  joinPreact: ((options: Options) => void) | undefined;
  registerComponents: ((node: Node, entries: unknown[]) => void) | undefined;

  private env: Record<string, unknown> = { BASE_URL: "/" };
  private readonly loads = new Map<string, Promise<unknown>>();
  private readonly updater = new Updater(this);
  private readonly runner = new Runner(this);
  private count = 0;

  /** Takes in the environment that import.meta.env shows. */
  setEnv(env: Record<string, unknown>): void {
    this.env = env;
  }

  node(id: string): Node {
    let node = this.nodes.get(id);
    if (!node) this.nodes.set(id, (node = new Node(id)));
    return node;
  }

  /** Takes in the packages: a factory that returns a table of functions, of which `es` name ES modules. */
  dependencies(build: number, factory: Factory, ids: string[], es: string[], style: string): void {
    let table: Record<string, () => unknown> | undefined;
    for (const id of ids) {
      const node = this.node(id);
      if (node.factory) continue; // two bundles of one page share their packages
      node.build = build;
      node.packed = true;
      node.factory = (module) => {
        if (!table) {
          const packages = new Node("packages");
          const instance = new Instance(this, packages);
          factory(instance, instance.exports as Exports, this.requireOf(node), this.meta(packages, instance));
          table = instance.exports as Record<string, () => unknown>;
          if (style) this.styles.show("packages", style);
        }
        const value = table[id]?.();
        if (es.includes(id)) markES(value as object);
        module.exports = value;
        this.foreign.push(value);
      };
    }
  }

  /** Takes in a bundle's modules. What this page has already, from another bundle of it, stays. */
  define(
    build: number,
    factories: Record<string, Factory>,
    styles: Record<string, string>,
    remotes: Record<string, object>,
    info: ModuleInfo,
  ): void {
    this.build = Math.max(this.build, build);
    for (const [id, factory] of Object.entries(factories)) {
      const node = this.node(id);
      if (node.factory) continue;
      node.factory = factory;
      node.build = build;
    }
    for (const [id, text] of Object.entries(styles)) this.styles.define(id, text, build);
    for (const [url, namespace] of Object.entries(remotes)) this.adopt(url, namespace);
    this.applied ||= build;
    this.inform(info);
  }

  /** Takes in what is said of modules. Reports whether code that asked for something by import() does so no more. */
  inform({ asyncs, names, specs, lazies }: ModuleInfo): boolean {
    let dropped = false;
    const note = <T>(said: Record<string, T> | undefined, take: (node: Node, what: T) => void): void => {
      for (const [id, what] of Object.entries(said ?? {})) {
        const node = this.nodes.get(id); // of a module of another page otherwise
        if (node) take(node, what);
      }
    };
    note(asyncs, (node, imports) => (node.asyncImports = imports));
    note(names, (node, by) => (node.importedNames = new Map(Object.entries(by))));
    note(specs, (node, ids) => (node.specs = ids));
    note(lazies, (node, ids) => {
      for (const lazy of node.lazies) {
        if (ids.includes(lazy.id)) continue;
        node.lazies.delete(lazy);
        if (!node.children.has(lazy)) lazy.parents.delete(node);
        dropped = true;
      }
    });
    return dropped;
  }

  /** Takes in a module that the browser has loaded by itself. */
  private adopt(url: string, namespace: object): void {
    markES(namespace);
    const node = this.node(url);
    node.instance = new Instance(this, node);
    node.instance.exports = namespace;
    this.foreign.push(namespace);
  }

  /** Runs an entry; returns its exports, or a promise for them when something awaits at its top level. */
  start(id: string): unknown {
    const node = this.node(id);
    node.root = true;
    const fail = (thrown: unknown): never => {
      this.errors.set(node, thrown);
      this.onErrors();
      throw thrown;
    };
    if (node.asyncImports) return this.run(node).then(() => this.require(id, node), fail);
    try {
      return this.require(id, node);
    } catch (thrown) {
      return fail(thrown);
    }
  }

  /** Reports whether this page has the code of a module. */
  loaded(id: string): boolean {
    const node = this.nodes.get(id);
    return node?.factory !== undefined || node?.instance !== undefined;
  }

  /** Applies updates that carry code. Resolves to null, or to the reason why the page must reload. */
  update(build: number, updates: Update[], info: ModuleInfo = {}): Promise<string | null> {
    return this.updater.update(build, updates, info);
  }

  /** Takes a module's own objection to having been replaced; see Objection. */
  invalidate(node: Node, rerun: boolean, message?: string): void {
    this.updater.invalidate(node, rerun, message);
  }

  private requireOf(importer: Node): Require {
    return (id, expression) => (id === "import:" ? this.computed(expression, importer) : this.require(id, importer));
  }

  /** Returns what a module exports, having run it if it has not, for `importer`. */
  require(id: string, importer: Node): unknown {
    if (id.startsWith(lazyPrefix)) return this.lazy(id.slice(lazyPrefix.length), importer);
    const node = this.nodes.get(id);
    if (!node?.factory && !node?.instance) throw new Error(`[devserve] require("${id}") in ${importer.id}: only what is named by a string is there`);
    this.connect(importer, node);
    if (!node.instance) {
      if (!node.asyncImports) this.evaluate(node);
      else if (!node.job) void this.run(node).catch(() => undefined); // by require(), which cannot wait
    }
    const { instance } = node;
    if (!instance) return (node.namespace ??= toCommonJS({})); // in a cycle that waits
    if (instance.error) throw instance.error.thrown;
    return instance.exports;
  }

  /** Notes that a module imports another. */
  connect(importer: Node, node: Node): void {
    if (node === importer) return;
    importer.children.add(node);
    node.parents.add(importer);
  }

  /** Runs a module's factory. What it throws is kept, as in a browser's module map. */
  evaluate(node: Node): Instance {
    const instance = new Instance(this, node);
    const initial = instance.exports as Exports;
    node.instance = instance;
    try {
      const result = node.factory?.(instance, initial, this.requireOf(node), this.meta(node, instance));
      if (result instanceof Promise) {
        instance.done = result.then(
          () => this.ran(node),
          (thrown: unknown) => {
            this.fail(node, thrown);
            throw thrown;
          },
        );
        instance.done.catch(() => undefined); // who awaits it hears of it
      }
    } catch (thrown) {
      this.fail(node, thrown);
      throw thrown;
    }
    this.ran(node);
    return instance;
  }

  /** Notes that a module cannot be had: it threw, or what it waits for did. */
  fail(node: Node, thrown: unknown): void {
    node.instance ??= new Instance(this, node);
    node.instance.error = { thrown };
    blame(thrown, node.id);
  }

  private ran(node: Node): void {
    node.order = ++this.count;
    if (node.namespace && node.factory) sort(node.namespace);
  }

  /** Drops a module's evaluation, so that it runs again when it is next required. Returns what there was. */
  forget(node: Node): Forgotten {
    const old: Forgotten = { instance: node.instance, hot: node.hot, children: [...node.children] };
    for (const [event, listener] of node.hot.listeners) this.events.off(event, listener);
    for (const child of node.children) if (!node.lazies.has(child)) child.parents.delete(node);
    node.children.clear();
    node.instance = node.job = undefined;
    node.hot = new Acceptances();
    return old;
  }

  /** After a module has run again: what importers of its CommonJS exports hold shows the new ones. */
  replaced(node: Node, old: Forgotten): void {
    if (old.instance && node.instance) rewrap(old.instance.exports, node.instance.exports);
  }

  /** Runs a module, after what it imports, if it has not run. */
  async run(node: Node): Promise<void> {
    if (node.asyncImports && (node.job || !node.instance)) return this.runner.run(node);
    if (!node.instance && node.factory) this.evaluate(node);
    if (node.instance?.error) throw node.instance.error.thrown;
  }

  /** Answers import(): what the page has not got is fetched first. */
  private lazy(id: string, importer: Node): Lazy {
    const node = this.node(id);
    const load = async (): Promise<() => unknown> => {
      if (!this.loaded(id)) await this.fetch(id, true).catch((err: unknown) => {
        this.failed.set(id, this.build);
        throw err;
      });
      this.failed.delete(id);
      importer.lazies.add(node);
      node.parents.add(importer);
      try {
        if (node.asyncImports) await this.run(node);
        const exports = this.require(id, node);
        return () => exports;
      } catch (thrown) {
        this.errors.set(node, thrown);
        this.onErrors();
        throw thrown;
      }
    };
    return new Lazy(load());
  }

  /** Answers import() of an expression, which the builder could not resolve. */
  private computed(expression: unknown, importer: Node): Lazy {
    const load = async (): Promise<() => unknown> => {
      const url = absolute(`${expression as string}`, importer.id);
      const id = this.idOf(url);
      if (this.loaded(id)) return this.lazy(id, importer).module;
      const namespace = await native(url).then((ns) => () => ns);
      if (this.loaded(id)) return () => this.require(id, importer); // it was a bundle
      markES(namespace());
      return namespace;
    };
    return new Lazy(load());
  }

  /** The ID of the module that lies at a URL. */
  private idOf(url: string): string {
    try {
      const { origin, pathname } = new URL(url);
      return origin === globalThis.location?.origin ? decodeURIComponent(pathname) : url;
    } catch {
      return url;
    }
  }

  /** Fetches a module with what it imports, all of it or what this page lacks, as far as the server knows. */
  fetch(id: string, lacking: boolean): Promise<unknown> {
    const key = `${lacking} ${id}`;
    let loading = this.loads.get(key);
    if (!loading) {
      if (/^(https?:)?\/\//.test(id)) {
        loading = native(id).then((namespace) => this.adopt(id, namespace));
      } else {
        const query = new URLSearchParams({ id });
        if (lacking) {
          query.append("build", String(this.applied));
          for (const node of this.starts()) query.append("from", node.id);
        }
        query.append("t", String(Date.now())); // a module that failed is asked for again
        loading = native(`${this.base}_devserve/build/lazy?${query}`);
      }
      this.loads.set(key, loading);
      loading.catch(() => undefined).then(() => this.loads.delete(key));
    }
    return loading;
  }

  /** The modules from which all others can be reached over static imports: entries, then what import() brought. */
  private starts(): Set<Node> {
    const all = [...this.nodes.values()];
    return new Set([...all.filter((n) => n.root), ...all.flatMap((n) => [...n.lazies])]);
  }

  /** The modules that the page runs, in the order in which a fresh load would. */
  inOrder(): Set<Node> {
    const out = new Set<Node>();
    const seen = new Set<Node>();
    const queue = new Set([...this.nodes.values()].filter((n) => n.root));
    for (const start of queue) { // which grows by what import() brought
      const stack: { node: Node; rest: Iterator<Node> }[] = [];
      const push = (node: Node): void => {
        if (seen.has(node)) return;
        seen.add(node);
        stack.push({ node, rest: node.children.values() });
      };
      push(start);
      for (let top = stack.at(-1); top; top = stack.at(-1)) {
        const child = top.rest.next();
        if (!child.done) {
          push(child.value);
          continue;
        }
        stack.pop();
        out.add(top.node);
        for (const lazy of top.node.lazies) queue.add(lazy);
      }
    }
    return out;
  }

  /** The URL prefix of the site, with both slashes. */
  get base(): string {
    return String(this.env["BASE_URL"]);
  }

  private meta(node: Node, { hot }: Instance): Meta {
    return {
      get url() { // few modules ask, and parsing 1,000 URLs takes 40 ms
        return absolute(node.id, "");
      },
      hot: new ViteHot(this, node),
      webpackHot: hot,
      env: this.env,
      style: () => this.styles.showDefined(node.id),
      resolve: (spec) => absolute(spec, node.id),
      refresh: (entries) => this.registerComponents?.(node, entries),
    };
  }

  /** Returns the ID of what a module names to accept it: as it imports it, or as a path of the page's. */
  resolve(spec: string, importer: Node): string {
    const known = importer.specs[spec];
    if (known) return known;
    const path = resolvePath(spec, importer.id, this.base);
    const stem = path.replace(/\.[cm]?jsx?$/, "");
    const found = [path, ...endings.map((e) => path + e), ...endings.map((e) => stem + e), ...endings.map((e) => `${path}/index${e}`)];
    return found.find((id) => this.nodes.has(id)) ?? path;
  }
}

export interface Forgotten {
  instance: Instance | undefined;
  hot: Acceptances;
  children: Node[];
}

const endings = [".tsx", ".ts", ".jsx", ".js", ".mjs", ".mts", ".cjs", ".css", ".json"];

/** Resolves a relative specifier against an ID, which may itself be relative ("../shared/x.ts"). */
function resolvePath(spec: string, importer: string, base: string): string {
  if (spec.startsWith("/")) return spec.startsWith(base) ? spec : base + spec.slice(1);
  if (!spec.startsWith(".")) return spec;
  const parts = importer.split("/").slice(0, -1);
  for (const part of spec.split("/")) {
    if (part === "..") {
      if (parts.length === 0 || parts.at(-1) === "..") parts.push("..");
      else parts.pop();
    } else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

function absolute(spec: string, importer: string): string {
  try {
    return new URL(spec, new URL(importer, globalThis.location?.origin)).href;
  } catch {
    return spec;
  }
}

/** The browser's own import(). */
export function native(url: string): Promise<object> {
  return import(url) as Promise<object>;
}

declare global {
  var __devserve: Registry | undefined;
  /** What the client of the page leaves here for the runtime, which comes with the page's first bundle. */
  var __devserve_client: { event: string; meet(registry: Registry): void } | undefined;
}

/** Returns the page's registry and creates it when this is the first to ask. */
export function registry(): Registry {
  if (!globalThis.__devserve) {
    globalThis.__devserve = new Registry();
    globalThis.__devserve_client?.meet(globalThis.__devserve);
  }
  return globalThis.__devserve;
}
