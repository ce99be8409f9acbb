// Runs modules in one process and tells what they print: node driver.mjs < JSON > JSON. Input: a list of
// {native, bundle, base, dir}, URLs all; native may be "". Output: a list of {native, bundle}, lists of lines.
//
// Modules are loaded over http as well, as in a browser. The function later(promise) keeps a case
// open until the promise has settled.

import { register } from "node:module";
import { text } from "node:stream/consumers";

const hooks = `
  export async function resolve(spec, context, next) {
    const parent = context.parentURL ?? "";
    if (!/^http:/.test(spec) && !/^http:/.test(parent)) return next(spec, context);
    return { url: new URL(spec, /^http:/.test(spec) ? undefined : parent).href, format: "module", shortCircuit: true };
  }
  export async function load(url, context, next) {
    if (!url.startsWith("http:")) return next(url, context);
    const response = await fetch(url);
    if (!response.ok) throw new TypeError("Failed to fetch dynamically imported module: " + url);
    return { source: await response.text(), format: "module", shortCircuit: true };
  }`;
const original = console.log;
let lines = [];
let waiting = [];

for (const level of ["log", "warn", "error", "info"]) {
  console[level] = (...args) => lines.push((level === "log" ? "" : level + ": ") + args.map(show).join(" "));
}
process.removeAllListeners("warning"); // of circular dependencies, of experimental features
process.on("uncaughtException", (error) => {
  const line = "throws " + show(error);
  if (!lines.includes(line)) lines.push(line); // Node reports what CommonJS throws to import() and here
});
globalThis.later = (promise) => waiting.push(promise);
globalThis.later.toJSON = () => "later";

function show(value) {
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`;
  if (typeof value === "object" && value !== null) return JSON.stringify(value);
  return String(value);
}

async function run(url, base) {
  lines = [];
  waiting = [];
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve(lines.push("never ends")), 120_000); // for machines that do much else
  });
  const done = async () => {
    try {
      await import(url);
    } catch (thrown) {
      lines.push("throws " + show(thrown));
    }
    while (waiting.length > 0) await Promise.resolve(waiting.shift()).catch(() => undefined);
    await new Promise((resolve) => setImmediate(resolve));
  };
  await Promise.race([done(), late]);
  clearTimeout(timer);
  return lines.map((line) => line.replaceAll(base, "site:/"));
}

const cases = JSON.parse(await text(process.stdin));
const out = [];
for (const { native, dir } of cases) out.push({ native: native ? await run(native, dir) : [] });
register("data:text/javascript," + encodeURIComponent(hooks)); // not before: hooks take their time
for (const [i, { bundle, base }] of cases.entries()) {
  globalThis.location = new URL(base);
  delete globalThis.__devserve;
  out[i].bundle = await run(bundle, base);
}
original(JSON.stringify(out));
process.exit(0);
