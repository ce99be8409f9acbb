// From the page to the server: import.meta.hot.send, and why the page reloads, which the
// terminal shows. One message at a time, so that they arrive in order; what cannot be delivered
// while the server is away is tried again.

const pause = 1000; // ms between attempts
const limit = 100; // messages kept; a page that sends more while the server is away loses the oldest

/** Returns a function that sends messages to the server at `home`. */
export function sender(home: URL, token: string): (event: string, data?: unknown) => void {
  const queue: string[] = [];
  let busy = false;

  async function drain(): Promise<void> {
    if (busy) return;
    busy = true;
    for (let body = queue[0]; body !== undefined; body = queue[0]) {
      if (await deliver(body)) queue.shift();
      else await new Promise((done) => setTimeout(done, pause));
    }
    busy = false;
  }

  async function deliver(body: string): Promise<boolean> {
    try {
      const answer = await post(new URL("send", home), token, body);
      if (!answer.ok) console.warn(`[devserve] the server refuses a message: ${answer.status} ${await answer.text()}`);
      return true;
    } catch {
      return false;
    }
  }

  return (event, data) => {
    queue.push(JSON.stringify({ event, data }));
    if (queue.length > limit) queue.splice(1, 1); // the first is under way
    void drain();
  };
}

/** Asks one of the server's endpoints to do something. */
export function post(endpoint: URL, token: string, body: string): Promise<Response> {
  return fetch(endpoint, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Devserve-Token": token },
    body,
    keepalive: true, // the page may be leaving
  });
}
