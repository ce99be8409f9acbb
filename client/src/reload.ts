// The full reload: never in a loop, never without saying why, and back at the same place.
//
// What must survive the reload is kept in sessionStorage, per URL, since frames of one tab share
// it. The event that caused the reload is part of it (see startFrom), and so is the number of
// reloads in quick succession: after five, each waits longer than the one before, until the
// reader does something. Thus a page that changes its own files when loaded is slow, but it
// neither spins nor stays old.

/** Reloads closer together than this, in ms, belong to one series. */
const series = 10_000;
const longestPause = 300_000;

interface Memory {
  id: string; // the event that caused the reload
  reason: string; // "" once it has been told
  traced: number; // when it was received, for trace.ts; 0 if nobody asks
  count: number; // of reloads in this series
  x: number;
  y: number;
}

/** The pause in ms before reload n of a series, from 1. */
export function pause(n: number): number {
  return n <= 5 ? 0 : Math.min(longestPause, series * 2 ** (n - 6));
}

export interface Reloader {
  /** The event for which this page was reloaded just now, else "". */
  answered: string;
  /** Why, else "". */
  reason: string;
  /** When the last page received that event, if the server asks. */
  traced: number;
  /** Reloads for `reason`, now or after a pause. The event `id` has then been answered. */
  reload(reason: string, id: string, traced: number): void;
  /** Says whether the server is there. While it is not, reloads wait: nothing would bring the browser's error page back. */
  serverIs(there: boolean): void;
}

export interface Hooks {
  /** A reload has to wait; `now` does it at once. */
  paused(reason: string, now: () => void): void;
  /** The page is about to be left: what comes now is for the next one. */
  leaving(): void;
  /** It was not left after all; the reader may have refused in a beforeunload dialog. */
  stayed(): void;
}

/** How long the next page may take to come, in ms, until the old one goes on. */
const arrival = 10_000;

/** Reads what the last page left, and restores its place. */
export function reloader(hooks: Hooks): Reloader {
  const last = recall();
  if (last) {
    console.info(`[devserve] reloaded: ${last.reason}`);
    remember({ ...last, reason: "" });
    scrollBack(last.x, last.y);
  }
  let next = { reason: "", id: "", traced: 0, count: 0 };
  let waiting = false;
  let away = false;
  let due = false; // when the server is back
  const go = (): void => {
    due = away;
    if (away) return;
    console.info(`[devserve] reloading: ${next.reason}`);
    remember({ ...next, x: scrollX, y: scrollY });
    waiting = false;
    hooks.leaving();
    setTimeout(hooks.stayed, arrival);
    location.reload();
  };
  return {
    answered: last?.id ?? "",
    reason: last?.reason ?? "",
    traced: last?.traced ?? 0,
    reload(reason, id, traced) {
      const quick = performance.now() < series && !navigator.userActivation?.hasBeenActive;
      next = { reason, id, traced, count: quick ? (last?.count ?? 0) + 1 : 1 };
      if (waiting || due) return; // not put off by what comes meanwhile, which the reload will show
      const wait = pause(next.count);
      if (wait === 0) return go();
      waiting = true;
      setTimeout(go, wait);
      hooks.paused(reason, go);
      console.warn(
        `[devserve] ${next.count - 1} reloads in a row; the next one (${reason}) waits ${wait / 1000} s. Does loading this page change one of its files?`,
      );
    },
    serverIs(there) {
      away = !there;
      if (due) go();
    },
  };
}

const key = (): string => `devserve:${location.pathname}${location.search}`;

/** What was left by the page that reloaded itself into this one, else null. */
function recall(): Memory | null {
  const [entry] = performance.getEntriesByType("navigation");
  if (!(entry instanceof PerformanceNavigationTiming) || entry.type !== "reload") return null;
  try {
    const m = JSON.parse(sessionStorage.getItem(key()) ?? "null") as Partial<Memory> | null;
    if (!m?.reason) return null; // the reader reloaded it
    return { id: m.id ?? "", reason: m.reason, traced: m.traced ?? 0, count: m.count ?? 0, x: m.x ?? 0, y: m.y ?? 0 };
  } catch {
    return null;
  }
}

function remember(m: Memory): void {
  try {
    sessionStorage.setItem(key(), JSON.stringify(m));
  } catch {
    // Storage is full or forbidden: the reload is told and guarded less well, but it happens.
  }
}

/**
 * Scrolls to where the page was. Browsers do that by themselves, but not when the page took
 * it over (history.scrollRestoration), nor reliably when its content is rendered late. It ends
 * when the place is reached, the reader moves, or 3 s are over.
 */
function scrollBack(x: number, y: number): void {
  if (x === 0 && y === 0) return;
  const grown = new ResizeObserver(() => step());
  const moves = ["wheel", "touchstart", "pointerdown", "keydown"];
  const end = (): void => {
    grown.disconnect();
    for (const m of moves) removeEventListener(m, end);
  };
  const step = (): void => {
    if (Math.abs(scrollX - x) < 2 && Math.abs(scrollY - y) < 2) {
      if (document.readyState === "complete") end();
      return;
    }
    scrollTo({ left: x, top: y, behavior: "instant" });
  };
  for (const m of moves) addEventListener(m, end, { passive: true });
  setTimeout(end, 3000);
  addEventListener("load", () => setTimeout(step), { once: true });
  grown.observe(document.documentElement);
}
