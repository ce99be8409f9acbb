// The SharedWorker that holds the stream of all tabs; its own URL says where the server is. A tab that leads in its
// place takes the carrier from here.

import { Carrier, type Request, type Tab } from "./carrier";

export { Carrier };

const scope = globalThis as unknown as { onconnect: ((e: MessageEvent) => void) | null };
const carrier = new Carrier(new URL(".", import.meta.url)); // it opens nothing before a tab asks

scope.onconnect = (e) => {
  const port = e.ports[0];
  if (!port) return;
  const tab: Tab = { post: (notice) => port.postMessage(notice) };
  port.onmessage = ({ data }: MessageEvent<Request>) => carrier.hear(tab, data);
  tab.post({ here: true });
};
