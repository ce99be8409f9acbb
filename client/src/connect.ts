// The page's end of the event stream: one for all tabs if that can be, else one of its own. It is let go when the
// page is left, and taken up when the page is back from the back/forward cache.

import { ledLine, workerLine } from "./shared";
import { ownLine, type Line, type Listener } from "./stream";

export interface Stream {
  /** Closes the stream until it is opened again. */
  close(): void;
  /** Opens the stream anew, from event `id` on. */
  open(id: string): void;
}

/** Keeps a stream from `home` open as long as the page lives, from event `id` on. Repeats of a state are left out. */
export function connect(home: URL, id: string, listener: Listener): Stream {
  let line: Line | null = null; // null until it is needed
  let received = id;
  let opened = false;
  let up: boolean | null = null;

  const own: Listener = {
    message(name, data, eventID) {
      if (eventID !== "") received = eventID;
      listener.message(name, data, eventID);
    },
    state(now) {
      if (now !== up) listener.state((up = now));
    },
    warn: (text) => listener.warn(text),
  };

  // From the best to the last resort. A worker that a policy forbids is found out only later.
  const ways = [
    () => workerLine(home, own, next),
    () => ("locks" in navigator && "BroadcastChannel" in globalThis ? ledLine(home, own, next) : null),
    () => ownLine(home, own),
  ];

  function next(): void {
    line = null;
    while (!line) {
      try {
        line = ways.shift()?.() ?? null;
      } catch {
        // no SharedWorker, or not for this page
      }
    }
    if (opened) open();
  }

  function open(): void {
    // Again with each attempt, for document.open() takes all listeners away; the same one is never added twice.
    addEventListener("online", wake);
    addEventListener("pageshow", onPageShow);
    addEventListener("pagehide", close); // lets the page into the back/forward cache
    document.addEventListener("visibilitychange", onVisibility);
    opened = true;
    line?.open(received);
    if (document.visibilityState !== "visible") line?.look(false);
  }

  function close(): void {
    opened = false;
    line?.close();
  }

  /** The reader or the network is back: no waiting now. */
  function wake(): void {
    if (opened) line?.wake();
    else open();
  }

  function onPageShow(e: PageTransitionEvent): void {
    if (e.persisted) wake();
  }

  function onVisibility(): void {
    const visible = document.visibilityState === "visible";
    line?.look(visible);
    if (visible) wake();
  }

  opened = true;
  next();
  own.state(false);
  return {
    close,
    open(id) {
      received = id;
      open();
    },
  };
}
