// React's part in Fast Refresh. Comes in front of the bundles of a React site, after the runtime.

import { Refresh, type Runtime } from "./refresh";
import type {} from "./registry"; // declares __devserve

/** react-refresh/runtime, which must run before React's renderer does. */
interface ReactRefresh extends Runtime {
  injectIntoGlobalHook(global: typeof globalThis): void;
}

const page = globalThis.__devserve!;
page.refresh ??= (load) => {
  const module = { exports: {} as unknown };
  load(module, module.exports);
  const runtime = module.exports as ReactRefresh;
  runtime.injectIntoGlobalHook(globalThis);
  primeRenderers(runtime);
  const host = new Refresh(page, runtime, kind);
  page.refresh = () => undefined; // another bundle of this page has its runtime already
  page.registerComponents = (node, entries) => host.register(node, entries as never);
};

/** React does not put memo(A) in the place of A. */
function kind(type: unknown): string {
  return typeof type === "object" && type ? ` ${String((type as { $$typeof?: symbol }).$$typeof?.description)}` : "";
}

/**
 * Makes renderers keep note of what fails from the beginning. By itself the runtime tells them to at the first
 * update, and an error boundary that has caught something before stays as it is when that is mended.
 */
function primeRenderers(runtime: ReactRefresh): void {
  const hook = (globalThis as { __REACT_DEVTOOLS_GLOBAL_HOOK__?: { inject(renderer: unknown): unknown } }).__REACT_DEVTOOLS_GLOBAL_HOOK__;
  if (!hook) return;
  const { inject } = hook;
  let primed = 0;
  hook.inject = (...args) => {
    const id = inject.apply(hook, args);
    for (let i = 0; i < 2; i++) runtime.register(() => null, `renderer ${primed}`);
    primed++;
    runtime.performReactRefresh(() => "");
    return id;
  };
}
