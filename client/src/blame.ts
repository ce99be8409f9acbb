// Which module threw: what the runtime notes when a factory throws, and the client tells. Both are
// scripts of their own, so what they share is found under a name.

const key = Symbol.for("devserve.blamed");
const shared = globalThis as { [key]?: WeakMap<object, string> };
const blamed = (shared[key] ??= new WeakMap());

/** Notes which module threw an error first: the innermost, as errors pass through importers. */
export function blame(thrown: unknown, id: string): void {
  if (typeof thrown === "object" && thrown !== null && !blamed.has(thrown)) blamed.set(thrown, id);
}

/** The ID of the module that threw an error while it ran, or "". */
export function culprit(thrown: unknown): string {
  return (typeof thrown === "object" && thrown !== null && blamed.get(thrown)) || "";
}
