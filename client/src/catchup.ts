// What this page has seen of the server's events, and what an event means for it.
//
// An event ID is the boot nonce of the server's process and a number: "k3x9-17". A page
// starts with the ID that was newest when it was asked for, and asks the stream for what
// came after. Whatever is lost on the way, the page must notice: a stale page that looks
// fine is the worst that a dev server can do.

interface EventID {
  nonce: string;
  number: number;
}

export function parseID(id: string): EventID | null {
  const m = /^(.+)-(\d+)$/.exec(id);
  return m ? { nonce: m[1] ?? "", number: Number(m[2]) } : null;
}

/** Reports whether a page that has seen `known` has also seen `id`. */
export function hasSeen(known: string, id: string): boolean {
  const a = parseID(known);
  const b = parseID(id);
  return !b || (!!a && a.nonce === b.nonce && a.number >= b.number);
}

/** handle it, skip it because it was handled before, or reload for the reason given. */
export type Verdict = "handle" | "skip" | { reload: string };

/**
 * Decides what an event means for a page that has seen `known`. A sync tells the present
 * state in place of the events before it, so a newer one means that events are lost.
 */
export function judge(known: string, id: string, sync: boolean): Verdict {
  const a = parseID(known);
  const b = parseID(id);
  if (!a || !b) return "handle"; // nothing to compare with: this is where the page starts
  if (a.nonce !== b.nonce) return { reload: "the server was started again" };
  if (sync) return b.number > a.number ? { reload: "changes were missed while offline" } : "handle";
  if (b.number <= a.number) return "skip";
  return b.number > a.number + 1 ? { reload: "an event was lost" } : "handle";
}

/**
 * The event that a page starts from. `own` is the ID on its script tag. `answered` is the
 * event for which it was just reloaded, "" if it was not: the page contains that one
 * even when a cache served it with an old tag, and taking it so ends what would be a loop.
 */
export function startFrom(own: string, answered: string): string {
  return answered !== "" && !hasSeen(own, answered) ? answered : own;
}
