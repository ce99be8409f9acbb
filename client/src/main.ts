// The client's one entry, and the only module with effects. Every page loads it first:
// it connects to the server, keeps the page up to date, and shows what is broken.

import { apply, applyUpdates } from "./apply";
import { badge } from "./badge";
import { culprit } from "./blame";
import { judge, startFrom } from "./catchup";
import { config } from "./config";
import { connect } from "./connect";
import { plain, thrownBy } from "./diagnostic";
import { pathOf } from "./dom";
import { noteLoads, watchTorn } from "./loaded";
import { overlay, pageSource, renderingSource } from "./overlay";
import { ownSource, type Building, type Built, type BuildError, type Diagnostic, type Message } from "./protocol";
import type { Registry } from "./registry";
import { reloader } from "./reload";
import { refresher } from "./rendered";
import { sender } from "./send";
import type { EventName } from "./source";
import { describe, watchUncaught } from "./thrown";
import { now, trace } from "./trace";

/** How long the server may be away, and a build may take, in ms, before the page says so. */
const awayAfter = 1000;
const buildingAfter = 400;

function start(): void {
  if (typeof window === "undefined" || typeof EventSource === "undefined") {
    console.warn("[devserve] no window or no EventSource here: this page will not follow changes; reload it yourself");
    return;
  }
  const started = Symbol.for("devserve.client");
  if (started in window) return; // a second script tag
  Object.defineProperty(window, started, { value: true });

  const { home, token, id, page, copy } = config();
  let modules: Registry | undefined; // until the first bundle brings them
  const mark = badge();
  const screen = overlay((what, show) => {
    if (what === "") mark.hide("hidden");
    else mark.show("hidden", what, 0, show);
  });
  let rendered = true;
  const refresh = refresher({ home, copy }, (errors) => {
    rendered = errors.length === 0;
    if (!screen.show(errors, renderingSource)) return;
    for (const d of errors) console.error(`[devserve] ${plain(d)}\n\nFix it and save: this page follows.`);
  });
  let leaving = false;
  const { answered, reason: reloadedFor, traced, reload, serverIs } = reloader({
    paused: (reason, now) => mark.show("paused", `Reloads paused (${reason}). Reload now`, 0, now),
    leaving() {
      // The next page asks for all that comes from here on. It must not be taken for seen.
      leaving = true;
      stream.close();
    },
    stayed() {
      leaving = false;
      stream.open(known);
    },
  });
  noteLoads();

  let isUp = false;
  let torn = "";
  watchTorn((url) => {
    torn = url;
    void mendTorn();
  });

  /** Loads the page anew if something of it did not arrive and is there, once: it may not arrive the next time either. */
  async function mendTorn(): Promise<void> {
    if (!isUp || torn === "") return;
    const url = torn;
    torn = "";
    const reason = `${pathOf(url)} did not arrive whole`;
    const answer = await fetch(url, { method: "HEAD" }).catch(() => null);
    if (!answer) torn = url; // the server is away again
    else if (answer.ok && /javascript|css/.test(answer.headers.get("Content-Type") ?? "") && reason !== reloadedFor && !leaving) void leave(reason, known);
  }

  let wasUp = false;
  let known = startFrom(id, answered);
  if (id !== "" && known !== id) warnOfCache();
  const warned = new Set<string>();

  async function handle(message: Message, eventID: string, received: number): Promise<void> {
    if (leaving) return;
    const verdict = judge(known, eventID, "sync" in message && message.sync === true);
    if (verdict === "skip") return;
    if (eventID !== "") known = eventID;
    if (verdict !== "handle") return reload(verdict.reload, eventID, 0);
    switch (message.type) {
      case "building":
        return building(message);
      case "built":
        return follow(message, eventID, received, built(message));
      case "error":
        return follow(message, eventID, received, failed(message));
      case "custom":
        return tell(message.event, message.data);
      default:
        message satisfies never;
    }
  }

  /** Ends what an event has begun, which may be a reason to reload. */
  async function follow({ trace: t }: Built | BuildError, eventID: string, received: number, begun: Promise<string | null>): Promise<void> {
    const reason = await begun;
    if (reason !== null) return leave(reason, eventID, t?.report ? received : 0);
    if (t?.report) void trace(home, token, eventID, received);
  }

  function building(_: Building): void {
    mark.show("building", "Building…", buildingAfter);
  }

  async function built(b: Built): Promise<string | null> {
    const source = b.source ?? ownSource;
    if (source === ownSource) {
      mark.hide("building");
      warn(b.warnings);
    }
    if (b.sync) screen.show([]);
    else if (!b.reload || b.source) screen.show([], source); // a mere reload mends nothing
    const reason = await apply(b, page, modules, refresh);
    if (reason === null && b.updates.length > 0 && (rendered || b.source !== renderingSource)) console.info(`[devserve] updated${b.ms > 0 ? ` in ${b.ms} ms` : ""}: ${b.updates.map((u) => u.path).join(", ")}`);
    return reason;
  }

  async function failed(e: BuildError): Promise<string | null> {
    mark.hide("building");
    const { errors, updates } = e;
    await tell("vite:error", { type: "error", err: { message: errors[0]?.text, stack: "", ...errors[0] } });
    const reason = updates ? await applyUpdates({ ...e, updates }, page, modules, refresh) : null;
    if (reason !== null || !screen.show(errors, e.sync ? undefined : e.source)) return reason; // a new stream tells it again
    warn(e.warnings);
    for (const d of e.errors) console.error(`[devserve] ${plain(d)}\n\nFix it and save: this page follows.`);
    return null;
  }

  /** Reloads, having told those who want to know before. */
  async function leave(reason: string, eventID: string, received = 0): Promise<void> {
    send("devserve:reload", { reason });
    const told = tell("vite:beforeFullReload", { type: "full-reload", path: "*" });
    await Promise.race([told, new Promise((late) => setTimeout(late, modules?.patience))]);
    reload(reason, eventID, received);
  }

  /** Reports what an update threw, and loads the page anew: it may be anything by now. */
  function fail(thrown: unknown, eventID: string): Promise<void> {
    showThrown([[culprit(thrown), thrown]]);
    return leave(`an update failed${culprit(thrown) && ` in ${culprit(thrown)}`}: ${String(thrown)}`, eventID);
  }

  /** Tells those who listen for an event that has no bearing on what the page shows. */
  function tell(event: string, data: unknown): Promise<void> {
    const told = modules?.events.emit(event, data) ?? Promise.resolve();
    return told.catch((thrown: unknown) => console.error(`[devserve] a listener of ${event} threw:`, thrown));
  }

  let asked = 0;

  function showThrown(thrown: [id: string, thrown: unknown][]): void {
    const turn = ++asked;
    const show = (errors: Diagnostic[]): boolean => screen.show(errors, pageSource);
    show(thrown.map(([id, t]) => thrownBy(id, t)));
    if (thrown.length === 0) return;
    void Promise.all(thrown.map(([id, t]) => describe(home, id, t))).then((errors) => {
      if (turn !== asked) return; // others have been thrown since, or none any more
      show(errors);
      for (const d of errors) console.error(`[devserve] ${plain(d)}`);
    });
  }

  let uncaught: [id: string, thrown: unknown][] = [];
  const noteChange = watchUncaught((thrown) => {
    uncaught.push(["", thrown]);
    showPageErrors();
  });

  function showPageErrors(): void {
    const failed = [...(modules?.errors ?? [])].map(([node, thrown]): [string, unknown] => [node.id, thrown]);
    showThrown([...failed, ...uncaught]);
  }

  const send = sender(home, token);
  const client = {
    event: known, // which it was served with
    meet(registry: Registry): void {
      modules = registry;
      registry.send = send;
      registry.onReload = (reason) => void leave(reason, known);
      registry.onFailure = (thrown) => void fail(thrown, known);
      registry.onErrors = showPageErrors;
      registry.events.on("vite:beforeUpdate", noteChange);
      registry.events.on("vite:afterUpdate", () => {
        if (uncaught.length === 0) return;
        uncaught = []; // what still fails fails again
        showPageErrors();
      });
      if (registry.errors.size > 0) showPageErrors();
    },
  };
  globalThis.__devserve_client = client;
  if (globalThis.__devserve) client.meet(globalThis.__devserve);

  function warn(warnings: Diagnostic[]): void {
    if (warnings.length === 0) warned.clear();
    for (const d of warnings) {
      const text = plain(d);
      if (!warned.has(text)) console.warn(`[devserve] ${text}`);
      warned.add(text);
    }
  }

  // The page's modules listen once they have run.
  const loaded = new Promise((done) => (document.readyState === "complete" ? done(null) : addEventListener("load", done)));
  if (traced > 0) void loaded.then(() => trace(home, token, answered, traced));

  // One at a time: an update that awaits must not be overtaken. A throw ends in a reload, not in silence.
  let tail: Promise<void> = Promise.resolve();
  const stream = connect(home, known, {
    message(name, data, eventID) {
      const received = now();
      tail = tail
        .then(() => handle(decode(name, data), eventID, received))
        .then(() => {
          if (!leaving) client.event = eventID;
        })
        .catch((thrown: unknown) => fail(thrown, eventID));
    },
    state(up) {
      if (up) console.info("[devserve] connected");
      if (up || wasUp) void loaded.then(() => tell(up ? "vite:ws:connect" : "vite:ws:disconnect", {}));
      wasUp ||= up;
      serverIs(up || !wasUp);
      isUp = up;
      void mendTorn();
      if (up) mark.hide("offline");
      else mark.show("offline", "devserve does not answer. Trying again…", awayAfter);
    },
    warn: (text) => console.warn(`[devserve] ${text}`),
  });
}

function decode(name: EventName, data: string): Message {
  return { type: name, ...(JSON.parse(data) as object) } as Message;
}

function warnOfCache(): void {
  const worker = navigator.serviceWorker?.controller?.scriptURL;
  console.warn(
    "[devserve] this page was reloaded and still is an old one, from a cache: " +
      (worker
        ? `the service worker ${worker} answers in the server's place; unregister it (DevTools, Application) and reload`
        : "reload it past the cache (Ctrl+Shift+R)"),
  );
}

start();
