// Three ways to read events, from the best to the one that gets through everything.
//
// EventSource's own retry is not relied on. Firefox gives up for good after some errors
// (https://bugzilla.mozilla.org/show_bug.cgi?id=1809332), its pause cannot be seen or cut short, and it knows nothing of a
// connection that died without a word, as they do when a laptop sleeps. It also hides comments, so it asks the server
// for a first event, "hello", which shows that bytes get through.

export const eventNames = ["building", "built", "error", "custom"] as const;
export type EventName = (typeof eventNames)[number];

export interface Reader {
  /** The server answers. */
  open(): void;
  event(name: EventName, data: string, id: string): void;
  /** It is over; said once at most. */
  lost(): void;
}

export interface Source {
  /** Whether anything but the header of an answer has come. */
  readonly alive: boolean;
  /** Ends it; nothing is said any more. */
  close(): void;
}

type Kind = (home: URL, id: string, reader: Reader) => Source;

function events(home: URL, id: string, how: string): URL {
  const url = new URL(`events?${how}`, home);
  if (id !== "") url.searchParams.set("lastEventId", id);
  return url;
}

const byEventSource: Kind = (home, id, reader) => {
  const es = new EventSource(events(home, id, "hello"));
  let alive = false;
  es.onopen = () => reader.open();
  es.addEventListener("hello", () => {
    alive = true;
    reader.open();
  });
  for (const name of eventNames) {
    es.addEventListener(name, (e: Event) => {
      // A build error and a broken connection have the same name; only ours has data.
      if (!(e instanceof MessageEvent)) return reader.lost();
      alive = true;
      reader.event(name, String(e.data), e.lastEventId);
    });
  }
  return {
    get alive() {
      return alive;
    },
    close: () => es.close(),
  };
};

/** By a POST, which proxies do not cache and seldom collect. */
const byFetch: Kind = (home, id, reader) =>
  reading(reader, async (signal, alive) => {
    const response = await ok(fetch(events(home, id, "hello"), { method: "POST", cache: "no-store", signal }));
    reader.open();
    const chunks = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = (await chunks?.read()) ?? { done: true };
      if (done) return;
      alive();
      const blocks = (text + value).split("\n\n");
      text = blocks.pop() ?? "";
      for (const e of parse(blocks)) reader.event(e.event, e.data, e.id);
    }
  });

/** By one answer after the other, each of which waits for an event. */
const byPolling: Kind = (home, id, reader) =>
  reading(reader, async (signal, alive) => {
    for (let known = id, how = "poll"; ; how = "poll=wait") {
      const response = await ok(fetch(events(home, known, how), { cache: "no-store", signal }));
      const missed = parse((await response.text()).split("\n\n"));
      alive();
      reader.open();
      for (const e of missed) {
        known = e.id;
        reader.event(e.event, e.data, e.id);
      }
    }
  });

export const kinds: readonly [Kind, ...Kind[]] = [byEventSource, byFetch, byPolling];

/** A source that reads until it is closed or something goes wrong. */
function reading(reader: Reader, read: (signal: AbortSignal, alive: () => void) => Promise<void>): Source {
  const stop = new AbortController();
  let alive = false;
  read(stop.signal, () => (alive = true))
    .catch(() => {})
    .then(() => stop.signal.aborted || reader.lost());
  return {
    get alive() {
      return alive;
    },
    close: () => stop.abort(),
  };
}

async function ok(answer: Promise<Response>): Promise<Response> {
  const response = await answer;
  if (!response.ok) throw new Error(response.statusText);
  return response;
}

/** Reads events as our server writes them; what is none is left out. */
export function parse(blocks: string[]): { event: EventName; data: string; id: string }[] {
  return blocks.flatMap((block) => {
    const m = /^id: (.*)\nevent: (.*)\ndata: (.*)$/m.exec(block);
    return m ? [{ id: m[1] ?? "", event: m[2] as EventName, data: m[3] ?? "" }] : [];
  });
}
