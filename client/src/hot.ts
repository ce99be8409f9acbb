// The hot API: import.meta.hot as Vite documents it (https://vite.dev/guide/api-hmr), and the part
// of webpack's module.hot that libraries use (https://webpack.js.org/api/hot-module-replacement/),
// over one state. What a module accepts lives as long as its evaluation: when it runs again it
// says so again. Its data, and Vite's one dispose and one prune, stay until replaced.

import type { Exports } from "./interop";
import type { Instance, Node, Registry } from "./registry";

type Data = Record<string, unknown>;
type ModuleCallback = (module: Exports | undefined) => unknown;
type ModulesCallback = (modules: (Exports | undefined)[]) => unknown;

/** Told when the module that it handles has thrown while running. */
type ErrorHandler = (error: unknown, context: { moduleId: string; dependencyId?: string; module?: Instance | undefined }) => unknown;

/** Dependencies, by ID, whose updates a module takes; its own ID among them means itself. */
export interface Acceptance {
  deps: string[];
  callback?: ((fresh: Map<string, Exports | undefined>) => unknown) | undefined;
  failed?: ErrorHandler | undefined;
}

/** What one evaluation of a module has said about updates. */
export class Acceptances {
  readonly list: Acceptance[] = [];
  /** Names of exports whose change it takes itself, if all that is imported of it is among them. */
  exports: Set<string> | undefined;
  readonly declined = new Set<string>();
  /** Handlers of webpack's dispose, as many as were added. */
  readonly disposers: ((data: Data) => unknown)[] = [];
  readonly listeners: [event: string, listener: Listener][] = [];
  data: Data | undefined;
  /** Components by name, to compare with those of the next evaluation; see refresh.ts. */
  components: Map<string, unknown> | undefined;

  accepts(id: string): boolean {
    return this.list.some((a) => a.deps.includes(id));
  }

  /** Takes over what an earlier evaluation accepted, the new one having thrown before it could say. */
  inherit(old: Acceptances): void {
    this.list.splice(0, this.list.length, ...old.list);
    this.exports = old.exports;
  }
}

export type Listener = (payload: unknown) => unknown;

/** Events of updates, and custom ones between page and server. Vite's names are heard under ours too. */
export class Events {
  private readonly listeners = new Map<string, Set<Listener>>();

  on(event: string, listener: Listener): void {
    const name = canonical(event);
    const set = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, set.add(listener));
  }

  off(event: string, listener: Listener): void {
    this.listeners.get(canonical(event))?.delete(listener);
  }

  /** Calls the listeners one by one and waits for each, as what follows may depend on what they do. */
  async emit(event: string, payload: unknown): Promise<void> {
    for (const listener of [...(this.listeners.get(canonical(event)) ?? [])]) await listener(payload);
  }
}

function canonical(event: string): string {
  return event.replace(/^(devserve|bun):/, "vite:");
}

/** What webpack calls the state of an update. */
export type Status = "idle" | "check" | "prepare" | "ready" | "dispose" | "apply" | "abort" | "fail";

export class Statuses {
  private readonly handlers = new Set<(status: Status) => unknown>();
  current: Status = "idle";

  async set(status: Status): Promise<void> {
    if (this.current === status) return;
    this.current = status;
    for (const handler of [...this.handlers]) await handler(status);
  }

  add(handler: (status: Status) => unknown): void {
    this.handlers.add(handler);
  }

  remove(handler: (status: Status) => unknown): void {
    this.handlers.delete(handler);
  }
}

/** import.meta.hot of one evaluation of a module. */
export class ViteHot {
  private readonly hot: Acceptances;

  constructor(
    private readonly registry: Registry,
    private readonly node: Node,
  ) {
    this.hot = node.hot; // an old evaluation's calls are no business of the new one's
  }

  get data(): Data {
    return this.node.data;
  }

  accept(deps?: string | string[] | ModuleCallback, callback?: ModuleCallback | ModulesCallback): void {
    const own = this.node.id;
    if (typeof deps === "string") {
      const id = this.registry.resolve(deps, this.node);
      this.hot.list.push({ deps: [id], callback: (fresh) => (callback as ModuleCallback | undefined)?.(fresh.get(id)) });
    } else if (Array.isArray(deps)) {
      const ids = deps.map((dep) => this.registry.resolve(dep, this.node));
      this.hot.list.push({
        deps: ids,
        callback: (fresh) => (callback as ModulesCallback | undefined)?.(ids.map((id) => fresh.get(id))),
      });
    } else {
      this.hot.list.push({ deps: [own], callback: (fresh) => deps?.(fresh.get(own)) });
    }
  }

  acceptExports(names: string | string[], callback?: ModuleCallback): void {
    const own = this.node.id;
    this.hot.exports = new Set([...(this.hot.exports ?? []), ...[names].flat()]);
    if (callback) this.hot.list.push({ deps: [`exports of ${own}`], callback: (fresh) => callback(fresh.get(own)) });
  }

  dispose(callback: (data: Data) => unknown): void {
    this.node.dispose = callback;
  }

  prune(callback: (data: Data) => unknown): void {
    this.node.prune = callback;
  }

  /** A no-op, as in Vite: what must not be replaced invalidates. */
  decline(): void {}

  invalidate(message?: string): void {
    this.registry.invalidate(this.node, false, message);
  }

  on(event: string, listener: Listener): void {
    this.hot.listeners.push([event, listener]);
    this.registry.events.on(event, listener);
  }

  off(event: string, listener: Listener): void {
    this.registry.events.off(event, listener);
  }

  send(event: string, data?: unknown): void {
    this.registry.send(event, data);
  }
}

/** module.hot of one evaluation of a module. */
export class WebpackHot {
  private readonly hot: Acceptances;

  constructor(
    private readonly registry: Registry,
    private readonly node: Node,
  ) {
    this.hot = node.hot;
  }

  get active(): boolean {
    return this.node.hot === this.hot && this.node.instance !== undefined;
  }

  get data(): Data | undefined {
    return this.hot.data;
  }

  accept(deps?: string | string[] | ErrorHandler, callback?: (updated: string[]) => unknown, failed?: ErrorHandler): void {
    if (deps === undefined || typeof deps === "function") {
      this.hot.list.push({ deps: [this.node.id], failed: deps });
      return;
    }
    const ids = [deps].flat().map((dep) => this.registry.resolve(dep, this.node));
    this.hot.list.push({
      deps: ids,
      callback(fresh) {
        const updated = ids.filter((id) => fresh.get(id) !== undefined); // not those that threw
        return updated.length > 0 ? callback?.(updated) : undefined;
      },
      failed,
    });
  }

  decline(deps?: string | string[]): void {
    const ids = deps === undefined ? [this.node.id] : [deps].flat().map((dep) => this.registry.resolve(dep, this.node));
    for (const id of ids) this.hot.declined.add(id);
  }

  dispose(callback: (data: Data) => unknown): void {
    this.hot.disposers.push(callback);
  }

  addDisposeHandler(callback: (data: Data) => unknown): void {
    this.hot.disposers.push(callback);
  }

  removeDisposeHandler(callback: (data: Data) => unknown): void {
    const i = this.hot.disposers.indexOf(callback);
    if (i >= 0) this.hot.disposers.splice(i, 1);
  }

  /** Makes this module run again, and those that import it, up to who accepts it. */
  invalidate(): void {
    this.registry.invalidate(this.node, true);
  }

  status(handler?: (status: Status) => unknown): Status {
    if (handler) this.registry.statuses.add(handler);
    return this.registry.statuses.current;
  }

  addStatusHandler(handler: (status: Status) => unknown): void {
    this.registry.statuses.add(handler);
  }

  removeStatusHandler(handler: (status: Status) => unknown): void {
    this.registry.statuses.remove(handler);
  }
}
