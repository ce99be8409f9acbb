// A page's seat on the line that all tabs share (carrier.ts): in a SharedWorker, or, where there is none (Chrome on
// Android, Safari before 16), in the tab that holds a Web Lock and talks with the others over a BroadcastChannel. The
// browser hands the lock on when that tab closes or crashes.

import type { Carrier, Notice, Request, Tab } from "./carrier";
import type { Line, Listener } from "./stream";

/** How long the worker may take to start, in ms, before the page does without it. */
const patience = 3000;

function seat(say: (request: Request) => void): Line {
  return {
    open: (id) => say({ open: id }),
    close: () => say({ close: true }),
    wake: () => say({ wake: true }),
    look: (looking) => say({ look: looking }),
  };
}

function pass(listener: Listener, notice: Notice): void {
  if ("event" in notice) listener.message(notice.event, notice.data, notice.id);
  else if ("up" in notice) listener.state(notice.up);
  else if ("warning" in notice) listener.warn(notice.warning);
}

/** A line through the worker of `home`. `failed` is called once if there will be none. */
export function workerLine(home: URL, listener: Listener, failed: () => void): Line {
  let port: MessagePort | null = null; // while the line is open: a message would cost a page its place in the back/forward cache
  let settled = false;

  function giveUp(): void {
    if (settled) return;
    settled = true;
    port?.close();
    port = null;
    failed();
  }

  function enter(): void {
    const worker = new SharedWorker(script(home), { type: "module", name: "devserve" });
    worker.onerror = giveUp;
    port = worker.port;
    port.onmessage = ({ data }: MessageEvent<Notice>) => {
      settled = true;
      pass(listener, data);
    };
  }

  enter(); // or throw
  setTimeout(giveUp, patience);
  return {
    ...seat((request) => port?.postMessage(request)),
    open(id) {
      if (!port) enter();
      port?.postMessage({ open: id } satisfies Request);
    },
    close() {
      port?.postMessage({ close: true } satisfies Request);
      port?.close();
      port = null;
    },
  };
}

/** What tabs say on the channel: one to the leader, the leader to one, a new leader to all. */
type Call = { from: string; request: Request } | { to: string; notice: Notice } | { leads: true };

/** A line through the tab that leads, which may be this one. `failed` is called if this one should lead and cannot. */
export function ledLine(home: URL, listener: Listener, failed: () => void): Line {
  const name = `devserve ${home.href}`;
  const me = crypto.randomUUID();
  const channel = new BroadcastChannel(name);
  let known: string | null = null; // the event from which a new leader must go on; null while closed
  let carrier: Carrier | null = null; // while this tab leads
  let abdicate: AbortController | null = null;
  const tabs = new Map<string, Tab>();

  const own: Tab = {
    post(notice) {
      if (known === null) return;
      if ("event" in notice) known = notice.id;
      pass(listener, notice);
    },
  };

  function say(request: Request): void {
    if (carrier) carrier.hear(own, request);
    else channel.postMessage({ from: me, request } satisfies Call);
  }

  function tab(id: string): Tab {
    const found = tabs.get(id) ?? { post: (notice: Notice) => channel.postMessage({ to: id, notice } satisfies Call) };
    tabs.set(id, found);
    return found;
  }

  channel.onmessage = ({ data }: MessageEvent<Call>) => {
    if ("leads" in data) {
      if (known !== null) say({ open: known });
    } else if ("to" in data) {
      if (data.to === me) own.post(data.notice);
    } else carrier?.hear(tab(data.from), data.request);
  };

  /** Waits for its turn, and leads until it is over. */
  async function lead(turn: AbortSignal): Promise<void> {
    const over = new Promise((done) => turn.addEventListener("abort", done));
    await navigator.locks.request(name, { signal: turn }, async () => {
      const { Carrier: New } = (await import(script(home).href)) as { Carrier: typeof Carrier };
      if (turn.aborted || known === null) return;
      carrier = new New(home);
      carrier.hear(own, { open: known });
      channel.postMessage({ leads: true } satisfies Call);
      await over;
      carrier.close();
      carrier = null;
      tabs.clear();
    });
  }

  return {
    ...seat(say),
    open(id) {
      known = id;
      say({ open: id });
      if (abdicate) return;
      const { signal } = (abdicate = new AbortController());
      lead(signal).catch(() => signal.aborted || failed());
    },
    close() {
      say({ close: true });
      known = null;
      abdicate?.abort(); // a page that holds a lock does not get into the back/forward cache
      abdicate = null;
    },
  };
}

/** Of worker.ts and what it is made of; filled in by gen/main.go. */
declare const __devserve_version: string;

/** The script of the worker; a module, from which a leader takes the carrier. */
function script(home: URL): URL {
  return new URL(`stream.js?v=${__devserve_version}`, home);
}
