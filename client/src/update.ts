// One update at a time, from changed factories to modules that have run again:
//
//	plan      which modules run again, and who takes them (plan.ts); a dead end is a full reload
//	dispose   the old evaluations, all of them, before any new code
//	run       the boundaries, in the order in which they first ran
//	accept    callbacks, in the same order
//	prune     what nothing imports any more
//
// A module that throws while it runs is reported and keeps its old exports for its importers; the next
// edit tries again. A handler that throws, and a cycle that cannot be run again by itself, end in a full reload.
// Style sheets come with the modules: their texts change between dispose and run.

import { blame } from "./blame";
import type { Exports } from "./interop";
import { retarget, snapshot, toESM } from "./interop";
import { type Boundary, type Plan, plan } from "./plan";
import type { ModuleInfo, Update } from "./protocol";
import { type Factory, type Forgotten, native, type Node, type Registry } from "./registry";

/** What an update does; gives the reason why the page must reload, or null. */
type Step = () => Promise<string | null>;

type Before = Forgotten & { exports: Exports | undefined };

export class Updater {
  private queue: Step[] = [];
  private running: Promise<string | null> | undefined;
  /** Whose objection the running step follows; see Objection. */
  private first: Node | undefined;
  /** Those that have objected to the running update, and whether that was heard. */
  private readonly objectors = new Map<Node, boolean>();

  constructor(private readonly registry: Registry) {}

  async update(build: number, updates: Update[], info: ModuleInfo): Promise<string | null> {
    return this.enqueue(async () => {
      const { registry } = this;
      registry.build = Math.max(registry.build, build);
      registry.applied = build;
      const stale = updates.filter((u) => (registry.nodes.get(u.path)?.build ?? 0) < build && u.type === "js");
      const sheets = updates.filter((u) => u.type === "css" && registry.styles.has(u.path));
      const js = wanted(registry, stale, info);
      const fresh = js.length > 0 ? await load(registry, build, js) : {};
      await this.fetchMissing(Object.keys(fresh), fresh, info);
      for (const u of updates) {
        if (u.type === "css" && !sheets.includes(u)) registry.styles.define(u.path, u.code ?? "", build);
      }
      const changed: Node[] = [];
      for (const [id, factory] of Object.entries(fresh)) {
        const node = registry.node(id);
        node.factory = factory;
        node.asyncImports = info.asyncs?.[id];
        node.build = build;
        if (node.instance) changed.push(node);
      }
      const dropped = registry.inform(info);
      if (changed.length === 0 && sheets.length === 0) return null;
      return this.apply(plan(changed), changed, dropped, build, sheets);
    });
  }

  /** A module objects to having been replaced. */
  invalidate(node: Node, rerun: boolean, message?: string): void {
    const first = this.first ?? node;
    const heard = this.objectors.get(node);
    if (heard === false) return;
    this.objectors.set(node, false);
    void this.later(async () => {
      this.objectors.set(node, true);
      await this.registry.events.emit("vite:invalidate", { path: node.id, message, firstInvalidatedBy: first.id });
      console.info(`[devserve] ${node.id} invalidates itself${message ? `: ${message}` : ""}`);
      if (heard) return dead([node], "it was invalidated again and again");
      this.first = first;
      return this.apply(plan([node], { node, first, rerun }), [node]);
    });
  }

  /** Enqueues what a module asks for itself; there is nobody else to reload the page if that is needed. */
  private async later(step: Step): Promise<void> {
    // Within a running update, its own result tells; see enqueue.
    if (this.running) {
      this.queue.push(step);
      return;
    }
    try {
      const reason = await this.enqueue(step);
      if (reason !== null) this.registry.onReload(reason);
    } catch (thrown) {
      this.registry.onFailure(thrown);
    }
  }

  /** Runs a step after those before it, and with it what modules ask for meanwhile. */
  private async enqueue(step: Step): Promise<string | null> {
    while (this.running) await this.running.catch(() => undefined);
    this.running = (async () => {
      let reason = await step();
      while (reason === null) {
        const next = this.queue.shift();
        if (!next) break;
        reason = await next();
      }
      return reason;
    })();
    try {
      return await this.running;
    } finally {
      this.running = this.first = undefined;
      this.queue = [];
      this.objectors.clear();
    }
  }

  /** Gets what changed modules import and this page has not: it was in use on other pages only. */
  private async fetchMissing(ids: string[], fresh: Record<string, Factory>, info: ModuleInfo): Promise<void> {
    const imports = new Set(ids.flatMap((id) => info.imports?.[id] ?? []));
    await Promise.all([...imports].filter((id) => !fresh[id] && !this.registry.loaded(id)).map((id) => this.registry.fetch(id, false)));
  }

  private async apply(plan: Plan, changed: Node[], dropped = false, build = 0, sheets: Update[] = []): Promise<string | null> {
    const { registry } = this;
    const { events, statuses } = registry;
    await statuses.set("check");
    await statuses.set("prepare");
    if (plan.dead) {
      await statuses.set("abort");
      return dead(plan.dead.chain, plan.dead.why);
    }
    try {
      const payload = { type: "update", updates: describe(plan.boundaries, sheets) };
      await events.emit("vite:beforeUpdate", payload);
      await statuses.set("ready");

      await statuses.set("dispose");
      const old = await this.dispose(plan);

      await statuses.set("apply");
      for (const { path, code } of sheets) registry.styles.update(path, code ?? "", build);
      const { fresh, thrown } = await this.run(plan);
      this.settle(old);
      for (const boundary of plan.boundaries) {
        const cyclic = boundary.via.find((n) => thrown.has(n) && inCycle(n));
        if (cyclic) return dead([...changed, cyclic], `it is part of a cycle that threw: ${String(thrown.get(cyclic))}`);
        await this.call(boundary, old, fresh, thrown);
      }
      if (dropped || [...old].some(([node, before]) => !isSame(before.children, [...node.children]))) {
        await this.prune(old);
        registry.styles.arrange([...registry.inOrder()].map((n) => n.id));
      }
      this.report(thrown);
      await events.emit("vite:afterUpdate", payload);
      await statuses.set("idle");
      return null;
    } catch (thrown) {
      await statuses.set("fail");
      throw thrown;
    }
  }

  /** Disposes of what is outdated, importers before what they import, and forgets it. */
  private async dispose({ outdated }: Plan): Promise<Map<Node, Before>> {
    const next = new Map<Node, Record<string, unknown>>();
    for (const node of [...outdated].sort((a, b) => b.order - a.order)) next.set(node, await dispose(node));
    const old = new Map<Node, Before>();
    for (const [node, data] of next) {
      const exports = node.namespace && snapshot(node.namespace);
      old.set(node, { ...this.registry.forget(node), exports });
      node.hot.data = data;
    }
    return old;
  }

  /** Runs what the boundaries accept, and with it what that imports. */
  private async run({ boundaries }: Plan): Promise<{ fresh: Map<Node, unknown>; thrown: Map<Node, unknown> }> {
    const fresh = new Map<Node, unknown>();
    const thrown = new Map<Node, unknown>();
    for (const node of boundaries.flatMap((b) => b.via)) {
      if (fresh.has(node)) continue;
      try {
        await this.registry.run(node);
        fresh.set(node, node.instance?.own);
      } catch (error) {
        thrown.set(node, error);
        fresh.set(node, undefined);
      }
    }
    return { fresh, thrown };
  }

  /** Ends what running again has begun: importers see the new exports, or the old ones of what threw. */
  private settle(old: Map<Node, Before>): void {
    for (const [node, before] of old) {
      if (node.instance && !node.instance.error) {
        this.registry.replaced(node, before);
        continue;
      }
      if (node.namespace && before.exports) retarget(node.namespace, before.exports);
      if (!node.instance?.error) continue;
      node.hot.inherit(before.hot); // it threw before it could say what it accepts
      for (const child of before.children) {
        node.children.add(child);
        child.parents.add(node);
      }
    }
  }

  /** Calls back those of a boundary's acceptances that name what has run again. */
  private async call(
    { node, via }: Boundary,
    old: Map<Node, Before>,
    fresh: Map<Node, unknown>,
    thrown: Map<Node, unknown>,
  ): Promise<void> {
    const self = via[0] === node;
    const hot = self ? (old.get(node)?.hot ?? node.hot) : node.hot; // of the evaluation that accepted
    const updated = new Map(via.map((n) => [n.id, thrown.has(n) ? undefined : (toESM(fresh.get(n)) as Exports)]));
    for (const { deps, callback, failed } of hot.list) {
      const hits = via.filter((n) => deps.includes(n.id) || (n === node && deps.includes(`exports of ${n.id}`)));
      const [hit] = hits;
      if (!hit) continue;
      const broken = hits.find((n) => thrown.has(n));
      await ask(node, async () => {
        try {
          if (broken && failed) throw thrown.get(broken);
          await callback?.(updated);
        } catch (error) {
          if (!failed) throw error;
          const moduleId = node.id;
          await failed(error, self ? { moduleId, module: node.instance } : { moduleId, dependencyId: (broken ?? hit).id });
          if (broken) thrown.delete(broken); // it is handled
        }
      });
    }
  }

  /** Takes away the modules that nothing imports any more, with their style sheets. Who imports one again gets what is new then. */
  private async prune(old: Map<Node, Before>): Promise<void> {
    const { registry } = this;
    const alive = registry.inOrder();
    const gone = [...registry.nodes.values()].filter((n) => n.factory && !n.packed && !alive.has(n) && (n.instance || old.has(n)));
    if (gone.length === 0) return;
    await registry.events.emit("vite:beforePrune", { type: "prune", paths: gone.map((n) => n.id) });
    await Promise.all(gone.map((n) => n.instance && dispose(n)));
    await Promise.all(gone.map((n) => ask(n, () => n.prune?.(n.data))));
    for (const node of gone) {
      registry.forget(node);
      for (const lazy of node.lazies) lazy.parents.delete(node);
      node.lazies.clear();
      registry.styles.remove(node.id);
      node.data = {};
      node.factory = node.dispose = node.prune = undefined;
      node.build = 0;
    }
  }

  /** Tells which modules are broken now. */
  private report(thrown: Map<Node, unknown>): void {
    const { errors } = this.registry;
    if (errors.size === 0 && thrown.size === 0) return;
    for (const [node, error] of errors) if (node.instance?.error?.thrown !== error) errors.delete(node);
    for (const [node, error] of thrown) errors.set(node, error);
    this.registry.onErrors();
  }
}

/** Disposes of a module's evaluation; returns the data that webpack's API hands to the next one. */
async function dispose(node: Node): Promise<Record<string, unknown>> {
  const data: Record<string, unknown> = {};
  await ask(node, () => node.dispose?.(node.data));
  for (const handler of node.hot.disposers) await ask(node, () => handler(data));
  return data;
}

/** Calls a module's handler; if it throws, the module is to blame. */
async function ask(node: Node, handler: () => unknown): Promise<void> {
  try {
    await handler();
  } catch (thrown) {
    blame(thrown, node.id);
    throw thrown;
  }
}

/** Says why a page must be loaded anew, and what would have helped. */
function dead(chain: Node[], why: string): string {
  const path = chain.map((n) => n.id).join(" → ");
  return `${path}: ${why}. import.meta.hot.accept() in ${chain.length > 1 ? "one of them" : "it"} would keep the page`;
}

function describe(boundaries: Boundary[], sheets: Update[]): unknown[] {
  const update = (path: string, acceptedPath: string): unknown => ({
    type: "js-update", path, acceptedPath, timestamp: Date.now(), explicitImportRequired: false, isWithinCircularImport: false,
  });
  return [...sheets.map((u) => update(u.path, u.path)), ...boundaries.flatMap(({ node, via }) => via.map((n) => update(node.id, n.id)))];
}

function inCycle(node: Node): boolean {
  const seen = new Set<Node>();
  const queue = [...node.children];
  for (let n = queue.pop(); n; n = queue.pop()) {
    if (n === node) return true;
    if (seen.has(n)) continue;
    seen.add(n);
    queue.push(...n.children);
  }
  return false;
}

function isSame(a: Node[], b: Node[]): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}

/** Those of the changed modules that this page has, or that what it has imports now. */
function wanted(registry: Registry, updates: Update[], info: ModuleInfo): Update[] {
  const ids = new Set(updates.map((u) => u.path).filter((id) => registry.loaded(id)));
  const all = new Set(updates.map((u) => u.path));
  for (const id of ids) for (const dep of info.imports?.[id] ?? []) if (all.has(dep)) ids.add(dep);
  return updates.filter((u) => ids.has(u.path));
}

/** Makes functions of updates' code: by eval, or, where a policy forbids that, by a script of the server's. */
async function load(registry: Registry, build: number, updates: Update[]): Promise<Record<string, Factory>> {
  const out: Record<string, Factory> = {};
  const names = Object.keys(registry.helpers).join(", ");
  try {
    for (const u of updates) {
      if (u.code === undefined) throw new EvalError("not sent");
      const map = `${registry.base}_devserve/build/update-map?build=${build}&id=${encodeURIComponent(u.path)}`;
      // Not as one literal: who looks for the comment in a bundle would find it in this file.
      const at = ["\n//# source", "URL=", location.origin, u.path, "?build=", build, "\n//# source", "MappingURL=", map].join("");
      const text = `({ ${names} }) => (${u.code}\n)${at}`;
      out[u.path] = ((0, eval)(text) as (helpers: unknown) => Factory)(registry.helpers);
    }
    return out;
  } catch (thrown) {
    if (!(thrown instanceof EvalError) && !(thrown instanceof TypeError)) throw thrown; // TypeError: Trusted Types
  }
  const module = (await native(`${registry.base}_devserve/build/update/${build}`)) as { default: (helpers: unknown) => Record<string, Factory> };
  return module.default(registry.helpers);
}
