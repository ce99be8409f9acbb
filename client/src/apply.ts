// From a good build to the right page: decides for each update whether this page is concerned,
// and whether it can be taken without a reload.

import { refreshAsset } from "./assets";
import { swapStyleSheets } from "./css";
import { updatePath } from "./dom";
import { loadedBy } from "./loaded";
import { ownSource, type Built, type ModuleInfo, type Update } from "./protocol";
import type { Registry } from "./registry";
import type { Refresh } from "./rendered";

/**
 * Brings what `built` says into the page that shows `page`. Returns null, or the reason why
 * the page must be reloaded, in which case it may be applied in part.
 */
export async function apply(built: Built, page: string, registry: Registry | undefined, refresh: Refresh): Promise<string | null> {
  if (built.reload) return built.reload.reason;
  const failed = [...(registry?.failed ?? [])].find(([, build]) => built.build > build); // not by what was published before it
  if (failed && !built.sync && (built.source ?? ownSource) === ownSource) return `${failed[0]} can be built now`;
  return applyUpdates(built, page, registry, refresh);
}

/** The same for what changed beside what is broken. */
export async function applyUpdates(
  built: { build: number; updates: Update[]; info?: ModuleInfo },
  page: string,
  registry: Registry | undefined,
  refresh: Refresh,
): Promise<string | null> {
  const modules: Update[] = [];
  const templates: string[] = [];
  const steps: (() => string | null)[] = [];
  for (const u of built.updates) {
    const path = updatePath(u.path);
    switch (u.type) {
      case "html":
        if (u.rendered) {
          if (page === "") templates.push(u.path);
          break;
        }
        if (shows(page, path)) return `${u.path} changed`;
        steps.push(() => (intersects(loadedBy(path), fetched) ? `${u.path}, which this page fetched, changed` : null));
        break;
      case "js":
        modules.push(u);
        break;
      case "css":
        if (u.code !== undefined || u.url !== undefined) modules.push(u);
        else steps.push(() => css(path));
        break;
      case "asset":
        steps.push(() => asset(path));
        break;
      default:
        return `unknown update ${String(u.type satisfies never)}`;
    }
  }
  if (modules.length > 0 && registry) {
    const reason = await inTime(registry.patience, registry.update(built.build, modules, built.info));
    if (reason !== null) return reason;
  }
  for (const step of steps) {
    const reason = step();
    if (reason !== null) return reason;
  }
  return templates.length > 0 ? refresh(templates) : null;
}

/** What a script asked for; only a script knows what it did with it. */
const fetched = ["fetch", "xmlhttprequest"];

function css(path: string): string | null {
  if (swapStyleSheets(path) > 0) return null;
  // No link has it, but a <style> may import it, or a script may have fetched it.
  return intersects(loadedBy(path), [...fetched, "css"]) ? `${path} changed and no link loads it` : null;
}

function asset(path: string): string | null {
  const refreshed = refreshAsset(path);
  const by = loadedBy(path);
  if (by.size === 0 || (refreshed > 0 && !intersects(by, [...fetched, "script"]))) return null;
  return `${path}, loaded by ${[...by].join(", ")}, changed`;
}

function intersects(a: ReadonlySet<string>, b: string[]): boolean {
  return b.some((x) => a.has(x));
}

/** Reports whether this page is, or would be by now, the one in the file at `path`. */
function shows(page: string, path: string): boolean {
  if (page !== "" && updatePath(page) === path) return true;
  // What the app rendered, or another page stands in for: the file that a static server would give for the URL.
  const at = updatePath(location.pathname);
  return [at, `${at}.html`, `${at.replace(/\/$/, "")}/index.html`].includes(path);
}

async function inTime(patience: number, update: Promise<string | null>): Promise<string | null> {
  let timer = 0;
  const late = new Promise<string>((done) => {
    timer = setTimeout(() => done(`an update did not finish in ${patience / 1000} s: a module or its handler waits for something`), patience);
  });
  try {
    return await Promise.race([update, late]);
  } finally {
    clearTimeout(timer);
  }
}
