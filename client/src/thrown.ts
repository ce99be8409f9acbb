// What the page itself threw: modules that failed to run, and, shortly after the page was loaded or changed, whatever
// nobody caught, as a component that cannot be rendered any more. Errors of other times are the
// console's business: an overlay over a page that one is using helps nobody.

import { culprit } from "./blame";
import { thrownBy } from "./diagnostic";
import type { Diagnostic } from "./protocol";

/** How long after a change an uncaught error is taken for its consequence, in ms. */
const aftermath = 3000;

/**
 * Watches for errors that nobody catches; `report` is told of those that a change has caused, once of each: React 18 renders
 * what threw again, and tells the page of each time. Returns what to call when the page changes.
 */
export function watchUncaught(report: (thrown: Error) => void): () => void {
  let changed = performance.now();
  const reported = new Set<string>();
  addEventListener("error", ({ error }) => {
    // Browsers report ResizeObserver's loops without an error; extensions have no frame of ours.
    if (!(error instanceof Error) || culprit(error)) return;
    const [place] = frames(error);
    const same = `${String(error)} ${place}`;
    if (!place || performance.now() - changed >= aftermath || reported.has(same)) return;
    reported.add(same);
    report(error);
  });
  return () => {
    reported.clear();
    changed = performance.now();
  };
}

/** A place in a source file, as the server tells it; line 0 if it does not know. */
interface Place {
  file: string;
  line: number;
  column: number;
  lineText: string;
}

/** Describes an error by the first place in its stack that is in one of the site's sources. */
export async function describe(home: URL, id: string, thrown: unknown): Promise<Diagnostic> {
  const diagnostic = thrownBy(id, thrown);
  const at = frames(thrown);
  if (at.length === 0) return diagnostic;
  try {
    const query = new URLSearchParams(at.map((place) => ["at", place]));
    const answer = await fetch(new URL(`build/places?${query}`, home));
    const place = ((await answer.json()) as Place[]).find((p) => p.line > 0);
    return place ? { ...diagnostic, ...place, length: 0 } : diagnostic;
  } catch {
    return diagnostic; // the server is away: the file alone must do
  }
}

/** The places in a stack that this site has served, as path:line:column. */
function frames(thrown: unknown): string[] {
  const stack = thrown instanceof Error ? (thrown.stack ?? "") : "";
  return [...stack.matchAll(/(https?:\/\/[^\s()]+:\d+:\d+)/g)]
    .flatMap(([url = ""]) => (url.startsWith(`${location.origin}/`) ? url.slice(location.origin.length) : []))
    .slice(0, 20);
}
