// One line for all tabs: browsers open six connections to a server, so that the seventh tab with a stream of its own
// would hang. It runs in a SharedWorker (worker.ts), or in the tab that leads where there is none (shared.ts).
//
// A tab that comes knows an event, and must hear what came after that: what the line brings from now on is
// held back for it until the server has told it, by a short answer of its own, what it missed. Events that come
// twice are skipped by the page, which alone knows what it has seen (catchup.ts).

import { parse, type EventName } from "./source";
import { ownLine, type Line } from "./stream";

/** What a tab says. */
export type Request = { open: string } | { close: true } | { wake: true } | { look: boolean };

/** What a tab is told. */
export type Notice = { event: EventName; data: string; id: string } | { up: boolean } | { warning: string } | { here: true };

/** A tab, as the carrier sees it. */
export interface Tab {
  post(notice: Notice): void;
}

interface Seat {
  held: Notice[] | null; // while it catches up
  looking: boolean;
}

export class Carrier {
  private readonly seats = new Map<Tab, Seat>();
  private readonly line: Line;
  private up = false;

  constructor(private readonly home: URL) {
    this.line = ownLine(home, {
      message: (event, data, id) => this.tell({ event, data, id }),
      state: (up) => {
        this.up = up;
        this.tell({ up });
      },
      warn: (warning) => this.tell({ warning }),
    });
  }

  hear(tab: Tab, request: Request): void {
    const seat = this.seats.get(tab);
    if ("open" in request) {
      this.take(tab, request.open);
    } else if ("close" in request) {
      this.seats.delete(tab);
      if (this.seats.size > 0) return;
      this.line.close();
      this.up = false;
    } else if ("wake" in request) {
      this.line.wake();
    } else if (seat) {
      seat.looking = request.look;
      this.line.look([...this.seats.values()].some((s) => s.looking));
    }
  }

  /** Lets all tabs go. */
  close(): void {
    this.seats.clear();
    this.line.close();
  }

  private take(tab: Tab, id: string): void {
    const first = this.seats.size === 0;
    const seat: Seat = { held: null, looking: true };
    this.seats.set(tab, seat);
    this.line.look(true);
    if (first) return this.line.open(id);
    if (this.up) tab.post({ up: true });
    seat.held = [];
    void this.catchUp(tab, seat, id);
  }

  private async catchUp(tab: Tab, seat: Seat, id: string): Promise<void> {
    const missed = await missedSince(this.home, id);
    if (this.seats.get(tab) !== seat) return; // it has gone, or begun again
    if (!missed) {
      // The line itself asks again, from the event that this tab knows. The others skip what they have seen.
      seat.held = null;
      return this.line.open(id);
    }
    for (const notice of [...missed, ...(seat.held ?? [])]) tab.post(notice);
    seat.held = null;
  }

  private tell(notice: Notice): void {
    for (const [tab, { held }] of this.seats) {
      if (held && "event" in notice) held.push(notice);
      else tab.post(notice);
    }
  }
}

/** What the server has told since event `id`; null if it does not answer. */
async function missedSince(home: URL, id: string): Promise<Notice[] | null> {
  const url = new URL("events?poll", home);
  url.searchParams.set("lastEventId", id);
  try {
    const response = await fetch(url, { cache: "no-store" });
    return response.ok ? parse((await response.text()).split("\n\n")) : null;
  } catch {
    return null;
  }
}
