// Comes in front of the bundles of a React site, after the runtime.

import { Refresh } from "./refresh";
import type {} from "./registry"; // declares __devserve

const page = globalThis.__devserve!;
page.refresh ??= (load) => {
  const host = new Refresh(page, load);
  page.refresh = () => undefined; // another bundle of this page has its runtime already
  page.registerComponents = (node, entries) => host.register(node, entries as never);
};
