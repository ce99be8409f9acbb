// From changed modules to what must run again: the walk from each towards its importers, to the nearest
// that accept it, on every path. Pure: it looks at the graph and touches nothing.
//
// The page does this and not the server, as only the page knows which modules have run and what they said.

import type { Node } from "./registry";

export interface Boundary {
  node: Node;
  /** The accepted dependencies of node that run again; node itself if it accepts itself. */
  via: Node[];
}

export interface Plan {
  boundaries: Boundary[];
  /** All modules between the changed ones and their boundaries: they are disposed of and run again. */
  outdated: Set<Node>;
  /** From a changed module to one that nothing accepts: why a full reload is needed. */
  dead?: { chain: Node[]; why: string };
}

/** A module objects to having been replaced: its own acceptance does not count. */
export interface Objection {
  node: Node;
  /** Whose objection it was that led to this one; node itself if none. If the walk comes back there, it ends. */
  first: Node;
  /** Whether the module runs once more, as with webpack, or its importers take it as it is, as with Vite. */
  rerun: boolean;
}

export function plan(changed: Iterable<Node>, objection?: Objection): Plan {
  const outdated = new Set<Node>();
  const boundaries = new Map<Node, Set<Node>>();
  let dead: Plan["dead"];

  const bound = (node: Node, via: Node): void => {
    const set = boundaries.get(node) ?? new Set();
    boundaries.set(node, set.add(via));
  };

  const visit = (node: Node, chain: Node[]): void => {
    if (dead || outdated.has(node)) return;
    const path = [...chain, node];
    const objects = node === objection?.node;
    if (chain.length > 0 && (objects || node === objection?.first)) {
      dead = { chain: path, why: "it was invalidated, and its importers lead back to it" };
      return;
    }
    if (node.hot.declined.has(node.id)) {
      dead = { chain: path, why: "it declines updates" };
      return;
    }
    if (!objects || objection.rerun) outdated.add(node);
    // An importer that has thrown is incomplete: it must run again too, whoever accepts what it imports. So must one
    // whose import() was rejected, as the module never came to its end.
    const broken = [...node.parents].filter((p) => p.instance?.error || (node.order === 0 && p.lazies.has(node)));
    const accepted = !objects && (node.hot.accepts(node.id) || coversImports(node));
    if (accepted && broken.length === 0) {
      bound(node, node);
      return;
    }
    if (node.root || node.parents.size === 0) {
      dead = { chain: path, why: objects ? "it was invalidated, and nothing that imports it could take that" : "nothing accepts it" };
      return;
    }
    for (const parent of accepted ? broken : node.parents) {
      if (parent.hot.declined.has(node.id)) dead = { chain: [...path, parent], why: "it declines updates of what it imports" };
      else if (parent.hot.accepts(node.id) && !parent.instance?.error) bound(parent, node);
      else visit(parent, path);
    }
  };

  for (const node of changed) visit(node, []);

  // A boundary that runs again itself, for another path, makes what it accepts by callback run with it.
  const list = [...boundaries]
    .filter(([node, via]) => via.has(node) || !outdated.has(node))
    .map(([node, via]) => ({ node, via: via.has(node) ? [node] : [...via] }))
    .sort((a, b) => a.node.order - b.node.order);
  return dead ? { boundaries: list, outdated, dead } : { boundaries: list, outdated };
}

/** Reports whether a module accepts all that others import of it, name by name. */
function coversImports(node: Node): boolean {
  const accepted = node.hot.exports;
  if (!accepted) return false;
  const every = (names: string[]): boolean => names.every((n) => accepted.has(n));
  const all = Object.keys(node.namespace ?? {});
  for (const parent of node.parents) {
    const names = node.importedNames.get(parent.id);
    if (!names || !every(names.includes("*") ? all : names)) return false;
  }
  return true;
}
