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

import type { Exports } from "./interop";
import { retarget, snapshot } from "./interop";
import { type Boundary, type Plan, plan } from "./plan";
import type { ModuleInfo, Update } from "./protocol";
import { type Factory, type Forgotten, native, type Node, type Registry } from "./registry";

export class Updater {
  private queue: (() => Promise<string | null>)[] = [];
  private running: Promise<string | null> | undefined;

  constructor(private readonly registry: Registry) {}

  async update(build: number, updates: Update[], info: ModuleInfo): Promise<string | null> {
    return this.enqueue(async () => {
      const { registry } = this;
      registry.build = Math.max(registry.build, build);
      const fresh: Record<string, Factory> = {};
      const js = updates.filter((u) => u.type === "js" && (registry.nodes.get(u.path)?.build ?? 0) < build);
      if (js.length > 0) Object.assign(fresh, await load(registry, build, js));
      for (const u of updates) {
        if (u.type === "css" && u.code !== undefined) registry.styles.update(u.path, u.code, build);
      }
      registry.inform(info);
      const changed: Node[] = [];
      for (const [id, factory] of Object.entries(fresh)) {
        const node = registry.node(id);
        node.factory = factory;
        node.build = build;
        if (node.instance) changed.push(node);
      }
      return changed.length > 0 ? this.apply(plan(changed), changed) : null;
    });
  }

  /** A module objects to having been replaced: its importers run again, or the page reloads. */
  invalidate(node: Node, message?: string): void {
    void this.later(async () => {
      await this.registry.events.emit("vite:invalidate", { path: node.id, message, firstInvalidatedBy: node.id });
      console.info(`[devserve] ${node.id} invalidates itself${message ? `: ${message}` : ""}`);
      if (node.parents.size === 0) return dead([node], `it was invalidated${message ? ` (${message})` : ""} and nothing imports it`);
      return this.apply(plan(node.parents, node), [node]);
    });
  }

  rerun(node: Node): void {
    void this.later(() => this.apply(plan([node]), [node]));
  }

  /** Enqueues what a module asks for itself; there is nobody else to reload the page if that is needed. */
  private async later(step: () => Promise<string | null>): Promise<void> {
    // Within a running update, its own result tells; see enqueue.
    if (this.running) {
      this.queue.push(step);
      return;
    }
    let reason: string | null;
    try {
      reason = await this.enqueue(step);
    } catch (thrown) {
      reason = `an update failed: ${String(thrown)}`;
    }
    if (reason !== null) this.registry.onReload(reason);
  }

  /** Runs a step after those before it, and with it what modules ask for meanwhile. */
  private async enqueue(step: () => Promise<string | null>): Promise<string | null> {
    while (this.running) await this.running.catch(() => undefined);
    this.running = (async () => {
      let reason = await step();
      while (reason === null) {
        const next = this.queue.shift();
        if (!next) break;
        reason = await next();
      }
      this.queue = [];
      return reason;
    })();
    try {
      return await this.running;
    } finally {
      this.running = undefined;
    }
  }

  private async apply(plan: Plan, changed: Node[]): Promise<string | null> {
    const { registry } = this;
    const { events, statuses } = registry;
    if (plan.dead) {
      return dead(plan.dead.chain, plan.dead.why);
    }
    await statuses.set("prepare");
    await events.emit("vite:beforeUpdate", payload(plan.boundaries));
    await statuses.set("ready");

    await statuses.set("dispose");
    const next = new Map<Node, Record<string, unknown>>();
    const order = [...plan.outdated].sort((a, b) => b.order - a.order); // importers before what they import
    for (const node of order) next.set(node, await dispose(node));
    const old = new Map<Node, Forgotten & { exports: Exports | undefined }>();
    for (const node of order) {
      const exports = node.namespace && snapshot(node.namespace);
      old.set(node, { ...registry.forget(node), exports });
      const data = next.get(node);
      if (data) node.hot.data = data;
    }

    await statuses.set("apply");
    const fresh = new Map<Node, Exports | undefined>();
    const thrown = new Map<Node, unknown>();
    for (const { via } of plan.boundaries) {
      for (const node of via) {
        if (fresh.has(node)) continue;
        try {
          await registry.run(node, new Set());
          fresh.set(node, node.instance?.own as Exports);
        } catch (error) {
          thrown.set(node, error);
          fresh.set(node, undefined);
        }
      }
    }
    this.settle(old);

    for (const boundary of plan.boundaries) {
      const cyclic = boundary.via.find((n) => thrown.has(n) && inCycle(n));
      if (cyclic) return dead([...changed, cyclic], `it is part of a cycle that threw: ${String(thrown.get(cyclic))}`);
      await this.call(boundary, old, fresh, thrown);
    }
    if (lostImports(old)) await this.prune();
    registry.styles.arrange(() => inOrder(registry).map((n) => n.id));
    this.report(old, thrown);
    await events.emit("vite:afterUpdate", payload(plan.boundaries));
    await statuses.set("idle");
    return null;
  }

  /** Ends what running again has begun: importers see the new exports, or the old ones of what threw. */
  private settle(old: Map<Node, Forgotten & { exports: Exports | undefined }>): void {
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
    old: Map<Node, Forgotten>,
    fresh: Map<Node, Exports | undefined>,
    thrown: Map<Node, unknown>,
  ): Promise<void> {
    const self = via[0] === node;
    const hot = self ? (old.get(node)?.hot ?? node.hot) : node.hot; // of the evaluation that accepted
    const updated = new Map(via.map((n) => [n.id, fresh.get(n)]));
    for (const a of hot.list) {
      const hits = via.filter((n) => a.deps.includes(n.id) || (n === node && a.deps.includes(`exports of ${n.id}`)));
      if (hits.length === 0) continue;
      const failed = hits.find((n) => thrown.has(n));
      if (failed && a.failed) {
        await a.failed(thrown.get(failed), self ? { moduleId: node.id } : { moduleId: node.id, dependencyId: failed.id });
        thrown.delete(failed); // it is handled
        continue;
      }
      if (a.callback) await a.callback(updated);
    }
  }

  /** Takes away the modules that nothing imports any more, with their style sheets. */
  private async prune(): Promise<void> {
    const { registry } = this;
    const alive = new Set(inOrder(registry));
    const gone = [...registry.nodes.values()].filter((n) => n.instance && n.factory && !alive.has(n) && !n.instance.error);
    if (gone.length === 0) return;
    await registry.events.emit("vite:beforePrune", { type: "prune", paths: gone.map((n) => n.id) });
    await Promise.all(gone.map((n) => dispose(n)));
    await Promise.all(gone.map((n) => n.prune?.(n.data)));
    for (const node of gone) {
      registry.forget(node);
      registry.styles.hide(node.id);
      node.data = {};
      node.dispose = node.prune = undefined;
    }
  }

  /** Tells which modules are broken now. */
  private report(ran: Map<Node, Forgotten>, thrown: Map<Node, unknown>): void {
    const { errors } = this.registry;
    if (errors.size === 0 && thrown.size === 0) return;
    for (const node of errors.keys()) if (ran.has(node) || !node.instance?.error) errors.delete(node);
    for (const [node, error] of thrown) errors.set(node, error);
    this.registry.onErrors();
  }
}

/** Disposes of a module's evaluation; returns the data that webpack's API hands to the next one, if it asked for it. */
async function dispose(node: Node): Promise<Record<string, unknown>> {
  const data: Record<string, unknown> = {};
  await node.dispose?.(node.data);
  for (const handler of node.hot.disposers) await handler(data);
  return data;
}

/** Says why a page must be loaded anew, and what would have helped. */
function dead(chain: Node[], why: string): string {
  const path = chain.map((n) => n.id).join(" → ");
  return `${path}: ${why}. An import.meta.hot.accept() in ${chain[0]?.id ?? "it"}, or in a module that imports it, would`;
}

function payload(boundaries: Boundary[]): unknown {
  const timestamp = Date.now();
  return {
    type: "update",
    updates: boundaries.flatMap(({ node, via }) =>
      via.map((n) => ({ type: "js-update", path: node.id, acceptedPath: n.id, timestamp, explicitImportRequired: false, isWithinCircularImport: false })),
    ),
  };
}

/** The modules that the page runs, in the order in which a fresh load would. */
function inOrder(registry: Registry): Node[] {
  const out: Node[] = [];
  const seen = new Set<Node>();
  const stack: { node: Node; rest: Iterator<Node> }[] = [];
  const push = (node: Node): void => {
    if (seen.has(node)) return;
    seen.add(node);
    stack.push({ node, rest: node.children.values() });
  };
  for (const node of registry.nodes.values()) {
    if (!node.root) continue;
    push(node);
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const child = top.rest.next();
      if (child.done) {
        out.push(top.node);
        stack.pop();
      } else push(child.value);
    }
  }
  return out;
}

/** Reports whether a module that has run again imports less than before. */
function lostImports(old: Map<Node, Forgotten>): boolean {
  for (const [node, { children }] of old) {
    if (children.some((child) => !node.children.has(child))) return true;
  }
  return false;
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
