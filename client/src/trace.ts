// Where the milliseconds go: under --trace the server asks each page for the end of an update's way. It is told in one small
// request when all is over, so that the telling is no part of it.

import { post } from "./send";

/** How long what an update has begun may take, in ms, until its way is told without: a frame does not come in a covered window. */
const patience = 2000;

/** Milliseconds since 1970, in less than whole ones, and never back. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Tells the server at `home` of the event that this page, or the one before it, received at a time of now() and has dealt with. */
export async function trace(home: URL, token: string, event: string, received: number): Promise<void> {
  const since = (): number => Math.max(0, now() - received);
  let run = since();
  const sheets = [...document.querySelectorAll("link[data-devserve-loading]")];
  if (sheets.length > 0) {
    await inTime(Promise.all(sheets.map((link) => new Promise((done) => ["load", "error"].forEach((end) => link.addEventListener(end, done))))));
    run = since();
  }
  const painted = document.visibilityState === "visible" && (await inTime(paint())) ? since() : 0;
  const behind = Date.now() - now(); // -1 to 0, unless the computer has slept
  const at = received + (Math.abs(behind) < 2 ? 0 : behind);
  await post(new URL("trace", home), token, JSON.stringify({ event, at, run, painted, posted: since() })).catch(() => undefined);
}

/** Is done when what is there now is on the screen. */
function paint(): Promise<unknown> {
  return new Promise((done) =>
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel(); // a frame's callbacks come before it, tasks after it
      port1.onmessage = done;
      port2.postMessage(null);
    }),
  );
}

async function inTime(what: Promise<unknown>): Promise<boolean> {
  return Promise.race([what.then(() => true), new Promise<boolean>((late) => setTimeout(late, patience, false))]);
}
