// One event stream that always comes back. It runs in a page or in the worker that all tabs share, and knows neither.
//
// What source.ts opens is given up at its first error and a new one is made, with a pause that grows; a tab that is
// looked at again, or a network that comes back, does not wait; and silence is questioned, by asking for
// the status: it answers "is the server there" and "has its newest event come" at once. Where the server is there and
// its stream brings nothing, something between holds the stream back, and the next kind of source is tried.

import { hasSeen } from "./catchup";
import { kinds, type EventName, type Source } from "./source";

export interface Listener {
  /** An event, with the ID that the server gave it. Called in order. */
  message(name: EventName, data: string, id: string): void;
  /** The stream is up, or is lost and being sought. */
  state(up: boolean): void;
  /** Events come another way than they should, for a reason that people should know. */
  warn(text: string): void;
}

/** How long a stream may be silent before the server is asked. Half of what people put up with. */
const silence = 15_000;
/** How long the server may take to say how it is, in ms; a laptop that wakes needs a second or two. */
const answer = 3_000;
/** How long a stream that was asked for may take to bring its first bytes, in ms, when the server answers. */
const firstBytes = 3_000;
/** How long an event may be under way after the status told of it, in ms. */
const underWay = 500;

/** The pause in ms before attempt n, from 0: at once in effect, then doubling up to 5 s, with jitter so that tabs do not come in step. */
export function backoff(n: number, random = Math.random()): number {
  return Math.min(5000, 250 * 2 ** n) * (0.5 + random / 2);
}

/** A way on which events come. */
export interface Line {
  /** Opens it, anew if it is open: events come from the one after `id` on. */
  open(id: string): void;
  /** Closes it until it is opened again. */
  close(): void;
  /** The reader or the network is back: no waiting now. */
  wake(): void;
  /** Says whether somebody looks at what the events change. */
  look(looking: boolean): void;
}

/** A line of its own from `home`, closed at first. */
export function ownLine(home: URL, listener: Listener): Line {
  let source: Source | null = null; // null between attempts
  let kind = 0; // of kinds
  let received = "";
  let closed = true;
  let looking = true;
  let up: boolean | null = null;
  let attempt = 0;
  let openedAt = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let watchdog: ReturnType<typeof setTimeout> | undefined;

  function seek(): void {
    drop();
    let mine: Source | null = null;
    const current = (): boolean => mine !== null && mine === source;
    mine = source = (kinds[kind] ?? kinds[0])(home, received, {
      open() {
        if (!current()) return;
        openedAt = Date.now();
        tell(true);
        watch();
      },
      event(name, data, id) {
        if (!current()) return;
        if (id !== "") received = id;
        watch();
        listener.message(name, data, id);
      },
      lost() {
        if (current()) lost();
      },
    });
    watch();
  }

  function drop(): void {
    clearTimeout(retry);
    clearTimeout(watchdog);
    source?.close();
    source = null;
  }

  function lost(): void {
    drop();
    tell(false);
    // A stream that breaks as soon as it is up (a proxy without its upstream) keeps its place.
    if (openedAt && Date.now() - openedAt > 1000) attempt = 0;
    openedAt = 0;
    retry = setTimeout(seek, backoff(attempt++));
  }

  function tell(now: boolean): void {
    if (now !== up) listener.state((up = now));
  }

  /** Re-armed by every sign of life, and, once the first one came, only while somebody looks. */
  function watch(): void {
    clearTimeout(watchdog);
    if (!source?.alive) watchdog = setTimeout(() => void check(), firstBytes);
    else if (looking) watchdog = setTimeout(() => void check(), silence);
  }

  /** Gives the source up unless the server answers and its newest event has come. */
  async function check(): Promise<void> {
    const asked = source;
    if (!asked) return;
    clearTimeout(watchdog);
    const newest = await newestEvent(new URL("status", home));
    if (newest !== null && !hasSeen(received, newest)) {
      await new Promise((done) => setTimeout(done, underWay));
    }
    if (asked !== source) return;
    if (newest !== null && !asked.alive && kind + 1 < kinds.length) {
      kind++;
      listener.warn(`something between this page and devserve holds the event stream back; ${kind + 1 < kinds.length ? "reading it by fetch" : "polling"} instead`);
      return seek();
    }
    if (newest !== null && asked.alive && hasSeen(received, newest)) return watch();
    lost();
  }

  return {
    open(id) {
      closed = false;
      received = id;
      seek();
    },
    close() {
      closed = true;
      up = null;
      drop();
    },
    wake() {
      if (closed) return;
      attempt = 0;
      if (!source) seek();
      else if (source.alive) void check();
    },
    look(now) {
      looking = now;
      if (source) watch();
    },
  };
}

/** The server's newest event ID, "" if it does not say, null if it does not answer in time. */
async function newestEvent(status: URL): Promise<string | null> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), answer);
  try {
    const response = await fetch(status, { cache: "no-store", signal: stop.signal });
    if (!response.ok) return null;
    const body: unknown = await response.json();
    const id = typeof body === "object" && body !== null && "id" in body ? body.id : "";
    return typeof id === "string" ? id : "";
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}
