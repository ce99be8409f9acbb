// What a page can do to read from a server of another origin, or to have it do something. It gives what it got, by name, and
// nothing where it got nothing. Everything worth reading has the word SECRET. Run from the server's own pages it
// gets all.
async (server) => {
  const url = (path) => server + path;
  const got = {};
  const note = (name, value) => { if (value) got[name] = String(value).slice(0, 200) };
  const patience = 20000; // ms

  // attempt notes what promise comes to, nothing if it is rejected or takes too long.
  const attempts = [];
  const attempt = (name, start) => attempts.push((async () => {
    try {
      note(name, await Promise.race([start(), new Promise((done) => setTimeout(done, patience))]));
    } catch {}
  })());

  // ask gives what comes first, as a stream has no end, or the answer's type if that cannot be read.
  const ask = async (path, options) => {
    const abort = new AbortController();
    try {
      const response = await fetch(url(path), {signal: abort.signal, ...options});
      const {value} = await response.body?.getReader().read() ?? {};
      return new TextDecoder().decode(value) || response.type;
    } finally {
      abort.abort();
    }
  };
  // element adds one and says whether it came to something.
  const element = (tag, attributes, look = () => "loaded") => new Promise((done) => {
    const e = document.createElement(tag);
    e.onload = () => done(look(e));
    e.onerror = () => done("");
    Object.assign(e, attributes);
    document.body.append(e);
  });
  const inside = (e) => {
    try { return e.contentDocument.documentElement.outerHTML } catch {}
  };
  const messages = [];
  addEventListener("error", (e) => { if (/SECRET/.test(e.message + e.filename)) messages.push(e.message) });

  const read = ["/", "/src/main.ts", "/src/plain.js", "/src/style.css", "/data.json", "/picture.svg", "/api/x", "/_devserve/client.js",
    "/_devserve/status", "/_devserve/events", "/__webpack_hmr", "/_devserve/build/map?id=%2Fsrc%2Fmain.ts"];
  for (const path of read) {
    attempt("fetch " + path, () => ask(path));
    attempt("fetch with cookies " + path, () => ask(path, {credentials: "include"}));
    attempt("fetch without cors " + path, () => ask(path, {mode: "no-cors"}));
    attempt("fetch by POST " + path, () => ask(path, {method: "POST", body: "x"}));
  }
  for (const path of ["/src/main.ts", "/src/plain.js", "/src/broken.js", "/data.json", "/_devserve/client.js", "/_devserve/status", "/_devserve/events?poll", "/api/x"]) {
    attempt("script " + path, () => element("script", {src: url(path)}));
    attempt("module " + path, () => element("script", {src: url(path), type: "module"}));
    attempt("import " + path, async () => Object.keys(await import(url(path))) + " imported");
    attempt("preload " + path, () => element("link", {rel: "preload", as: "script", href: url(path)}));
    attempt("worker " + path, () => new Promise((done) => {
      const source = `try { importScripts(${JSON.stringify(url(path))}); postMessage(self.leaked ?? "ran") } catch (e) { postMessage("") }`;
      const worker = new Worker(URL.createObjectURL(new Blob([source])));
      worker.onmessage = (e) => done(e.data);
      worker.onerror = () => done("");
    }));
    attempt("module worker " + path, () => new Promise((done) => {
      const worker = new Worker(URL.createObjectURL(new Blob([`import(${JSON.stringify(url(path))}).then(() => postMessage("ran"), () => postMessage(""))`], {type: "text/javascript"})), {type: "module"});
      worker.onmessage = (e) => done(e.data);
      worker.onerror = () => done("");
    }));
  }
  for (const path of ["/src/style.css", "/src/main.ts", "/data.json"]) {
    attempt("style " + path, () => element("link", {rel: "stylesheet", href: url(path)}, (e) => {
      try { return e.sheet.cssRules[0].cssText } catch { return "applied" }
    }));
  }
  for (const path of ["/", "/data.json", "/_devserve/status", "/api/x"]) {
    attempt("frame " + path, () => element("iframe", {src: url(path)}, inside));
  }
  for (const path of ["/picture.svg", "/src/main.ts"]) {
    attempt("image " + path, () => element("img", {src: url(path)}, (e) => e.naturalWidth));
    attempt("object " + path, () => element("object", {data: url(path)}, inside));
  }
  for (const path of ["/_devserve/events", "/__webpack_hmr"]) {
    attempt("EventSource " + path, () => new Promise((done) => {
      const source = new EventSource(url(path));
      source.onopen = () => { source.close(); done("open") };
      source.onerror = () => { source.close(); done("") };
    }));
  }
  for (const path of ["/api/socket", "/_devserve/events"]) {
    attempt("WebSocket " + path, () => new Promise((done) => {
      const socket = new WebSocket(url(path).replace("http", "ws"));
      socket.onopen = () => done("open");
      socket.onerror = () => done("");
    }));
  }
  await Promise.all(attempts);

  // What does something. With the token, if there was a way to it.
  const script = await fetch(url("/_devserve/client.js")).then((r) => r.text()).catch(() => "");
  const token = /token: "(\w+)"/.exec(script)?.[1] ?? "guessed";
  note("token", token !== "guessed" && "SECRET");
  const commands = {
    notify: {reason: "PWNED"},
    log: {level: "error", args: ["PWNED"]},
    open: {file: "index.html"},
    send: {event: "devserve:reload", data: {reason: "PWNED"}},
  };
  if (got.token) delete commands.notify; // it works, and would reload this page
  for (const [name, body] of Object.entries(commands)) {
    const path = "/_devserve/" + name, json = JSON.stringify(body);
    attempt("simple post " + name, async () => (await fetch(url(path), {method: "POST", body: json})).ok && "done");
    attempt("blind post " + name, async () => { await fetch(url(path), {method: "POST", mode: "no-cors", body: json}) });
    attempt("beacon " + name, async () => { navigator.sendBeacon(url(path), json) });
    attempt("JSON beacon " + name, async () => { navigator.sendBeacon(url(path), new Blob([json], {type: "application/json"})) });
    attempt("post " + name, async () => (await fetch(url(path), {
      method: "POST", body: json, headers: {"Content-Type": "application/json", "X-Devserve-Token": token},
    })).ok && "done");
    const frame = document.createElement("iframe");
    frame.name = "frame-" + name;
    const form = Object.assign(document.createElement("form"), {action: url(path), method: "POST", enctype: "text/plain", target: frame.name});
    form.append(Object.assign(document.createElement("input"), {name: json.slice(0, -1) + ', "x": "', value: '"}'}));
    document.body.append(frame, form);
    attempt("form " + name, () => new Promise((done) => { frame.onload = () => done(""); form.submit() }));
  }
  attempt("post to the backend", async () => { await fetch(url("/api/act"), {method: "POST", mode: "no-cors", body: "PWNED"}) });
  attempt("put to the backend", async () => { await fetch(url("/api/act"), {method: "PUT", body: "PWNED"}) });
  await Promise.all(attempts);

  // What came by other ways than those that were asked.
  note("global of a script", globalThis.leaked);
  note("message of an error", messages.join());
  note("custom property of a style", getComputedStyle(document.documentElement).getPropertyValue("--leaked"));
  note("sizes of what was loaded", performance.getEntriesByType("resource").filter((e) => e.name.startsWith(server) && e.encodedBodySize > 0).map((e) => e.name).join());
  return got;
}
