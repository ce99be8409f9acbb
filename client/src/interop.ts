// What esbuild's output needs to import and export: its own helpers, under its names, shared by
// all modules of the page. They differ in one thing. A module's namespace is one live object, marked
// as an ES module, where esbuild makes copies: identity is kept, cycles see later exports, an
// importer in Node's mode (.mjs, "type": "module") can tell an ES module from a CommonJS
// one that merely sets __esModule, and a module that runs again after an edit can put its new
// exports into the namespace that its importers hold.

export type Exports = Record<PropertyKey, unknown>;

/** What import() became before interop; see Registry.lazy. A function gives the exports, as those may be thenable. */
export class Lazy {
  constructor(readonly module: Promise<() => unknown>) {}
}

const esModules = new WeakSet<object>();
const wrapped = new WeakMap<object, Exports>();
const stars = new WeakMap<object, Set<string>>(); // the names that came by export *

const { create, defineProperty, getOwnPropertyDescriptor, getOwnPropertyNames, getPrototypeOf, setPrototypeOf } = Object;
const hasOwn = Object.prototype.hasOwnProperty;

/** Marks a namespace as that of an ES module. */
export function markES(namespace: object): void {
  esModules.add(namespace);
}

/** Reports whether a value is the namespace of an ES module. */
export function isES(value: unknown): value is Exports {
  return isObject(value) && esModules.has(value);
}

function isObject(value: unknown): value is Exports {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/** Makes a namespace that importers hold show what another one exports. */
export function retarget(held: Exports, fresh: Exports): void {
  for (const key of getOwnPropertyNames(held)) {
    if (key !== "__esModule" && !hasOwn.call(fresh, key)) delete held[key];
  }
  for (const key of getOwnPropertyNames(fresh)) {
    const descriptor = getOwnPropertyDescriptor(fresh, key);
    if (descriptor && key !== "__esModule") defineProperty(held, key, descriptor);
  }
  sort(held);
}

/** Puts the names of a namespace in order, as export * and edits may have brought more. */
export function sort(namespace: Exports): void {
  const names = Object.keys(namespace);
  if (names.every((name, i) => i === 0 || (names[i - 1] as string) < name)) return;
  for (const name of names.sort()) {
    const descriptor = getOwnPropertyDescriptor(namespace, name) as PropertyDescriptor;
    delete namespace[name];
    defineProperty(namespace, name, descriptor);
  }
}

/** The same for what importers of a CommonJS module hold. */
export function rewrap(old: unknown, fresh: unknown): void {
  if (!isObject(old) || !isObject(fresh) || old === fresh || isES(fresh)) return;
  const namespace = wrapped.get(old);
  if (!namespace) return;
  for (const key of getOwnPropertyNames(namespace)) delete namespace[key];
  wrapped.set(fresh, namespace);
  wrap(namespace, fresh);
}

/** Takes down a namespace's properties, for retarget. */
export function snapshot(namespace: Exports): Exports {
  const copy = create(null) as Exports;
  retarget(copy, namespace);
  return copy;
}

export function exportAll(target: Exports, all: Record<string, () => unknown>): void {
  for (const name of Object.keys(all).sort()) defineProperty(target, name, { get: all[name] as () => unknown, enumerable: true, configurable: true });
}

function copyProps(to: Exports, from: unknown): Exports {
  if (isObject(from)) {
    for (const key of getOwnPropertyNames(from)) {
      if (hasOwn.call(to, key)) continue;
      const enumerable = getOwnPropertyDescriptor(from, key)?.enumerable ?? true;
      defineProperty(to, key, { get: () => from[key], enumerable, configurable: true });
    }
  }
  return to;
}

export function reExport(target: Exports, mod: unknown, second?: Exports): void {
  if (!isObject(mod)) return;
  star(target, mod);
  if (second && second !== target) star(second, mod);
}

/** export * from: what is exported by name comes first, and what two modules export under one name is left out. */
function star(to: Exports, from: Exports): void {
  let names = stars.get(to);
  if (!names) stars.set(to, (names = new Set()));
  for (const key of getOwnPropertyNames(from)) {
    if (key === "default" || key === "__esModule") continue;
    if (!hasOwn.call(to, key)) {
      if (names.has(key)) continue; // of a third one
      names.add(key);
      defineProperty(to, key, { get: () => from[key], enumerable: true, configurable: true });
    } else if (names.has(key) && differ(to, from, key)) delete to[key];
  }
}

/** Reports whether two namespaces mean two things by a name. While they cannot be read, one is given the benefit of the doubt. */
function differ(a: Exports, b: Exports, name: string): boolean {
  try {
    return !Object.is(a[name], b[name]);
  } catch {
    return false;
  }
}

/** Returns the namespace that an ES module sees when it imports what `mod` exports. */
export function toESM(mod: unknown, nodeMode?: number): unknown {
  if (mod instanceof Lazy) return mod.module.then((get) => toESM(get(), nodeMode));
  if (!isObject(mod)) return { default: mod };
  if (esModules.has(mod) || (!nodeMode && mod["__esModule"])) return mod;
  let namespace = wrapped.get(mod);
  if (!namespace) {
    namespace = create(getPrototypeOf(mod)) as Exports;
    wrapped.set(mod, namespace);
  }
  return wrap(namespace, mod);
}

/** Fills in a namespace; again and again, as a CommonJS module may get more exports. */
function wrap(namespace: Exports, mod: Exports): Exports {
  if (!hasOwn.call(namespace, "default")) defineProperty(namespace, "default", { value: mod, enumerable: true, configurable: true });
  return copyProps(namespace, mod);
}

/**
 * Makes a namespace of an object, as far as that goes while an edit can still change it: it has no prototype and
 * cannot be assigned to, but is not frozen. https://tc39.es/ecma262/#sec-module-namespace-exotic-objects
 */
export function toCommonJS(namespace: Exports): Exports {
  if (esModules.has(namespace)) return namespace;
  esModules.add(namespace);
  setPrototypeOf(namespace, null);
  defineProperty(namespace, Symbol.toStringTag, { value: "Module" });
  if (!hasOwn.call(namespace, "__esModule")) defineProperty(namespace, "__esModule", { value: true });
  return namespace;
}

export const helpers = {
  __create: create,
  __defProp: defineProperty,
  __getOwnPropDesc: getOwnPropertyDescriptor,
  __getOwnPropNames: getOwnPropertyNames,
  __getProtoOf: getPrototypeOf,
  __hasOwnProp: hasOwn,
  __export: exportAll,
  __copyProps: copyProps,
  __reExport: reExport,
  __toESM: toESM,
  __toCommonJS: toCommonJS,
};
