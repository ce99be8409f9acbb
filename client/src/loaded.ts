// What this page has loaded, and by what: the way to tell a file that matters to it from one
// that does not.

import { pathOf } from "./dom";

const loaded = new Map<string, Set<string>>();

/** Starts to note. The browser's own list ends at 250 entries and may be cleared by the page. */
export function noteLoads(): void {
  new PerformanceObserver((list) => note(list.getEntries())).observe({ type: "resource", buffered: true });
}

/** How the page loaded the file at `path` ("img", "script", "fetch", "css", "link", …); empty if it did not. */
export function loadedBy(path: string): ReadonlySet<string> {
  note(performance.getEntriesByType("resource")); // the observer may not have been told yet
  return loaded.get(path) ?? new Set();
}

/**
 * Tells of a script or style sheet of this site that may not have arrived whole, for the connection broke. What is of another type, such as
 * an error's text, looks the same where nosniff forbids it: who wants to know asks for it again. What a policy or an extension
 * forbids was not asked for.
 */
export function watchTorn(tell: (url: string) => void): void {
  const listener = ({ target }: Event): void => {
    const url = target instanceof HTMLScriptElement ? target.src : target instanceof HTMLLinkElement ? target.href : "";
    const entry = performance.getEntriesByName(url).at(-1);
    if (entry instanceof PerformanceResourceTiming && entry.responseStatus < 400 && pathOf(url) !== "") tell(url);
  };
  addEventListener("error", listener, true); // it does not bubble
}

function note(entries: PerformanceEntryList): void {
  for (const e of entries) {
    if (!(e instanceof PerformanceResourceTiming)) continue;
    const path = pathOf(e.name);
    if (path === "") continue;
    const by = loaded.get(path);
    if (by) by.add(e.initiatorType);
    else loaded.set(path, new Set([e.initiatorType]));
  }
}
