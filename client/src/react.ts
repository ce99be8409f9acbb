// React's part in Fast Refresh. Comes in front of the bundles of a React site, after the runtime.

import { Fibers, type Family, type Renderer, type Root } from "./fibers";
import { Refresh, type Runtime } from "./refresh";
import type {} from "./registry"; // declares __devserve

/** react-refresh/runtime, which must run before React's renderer does. */
interface ReactRefresh extends Runtime {
  injectIntoGlobalHook(global: typeof globalThis): void;
  getFamilyByType?(type: object): Family | undefined;
}

/** Where renderers report to; React's DevTools put their own in this place. */
interface DevToolsHook {
  inject(renderer: Renderer): unknown;
  onCommitFiberRoot(id: unknown, root: Root, ...more: unknown[]): void;
}

const page = globalThis.__devserve!;
page.refresh ??= (load) => {
  const module = { exports: {} as unknown };
  load(module, module.exports);
  const runtime = module.exports as ReactRefresh;
  runtime.injectIntoGlobalHook(globalThis);
  const hook = (globalThis as { __REACT_DEVTOOLS_GLOBAL_HOOK__?: DevToolsHook }).__REACT_DEVTOOLS_GLOBAL_HOOK__;
  if (hook) {
    primeRenderers(hook, runtime);
    shortenSearch(hook, runtime, (before, after) => host.keeps(before, after));
  }
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
function primeRenderers(hook: DevToolsHook, runtime: ReactRefresh): void {
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

/** Saves renderers the search for what an update concerns. */
function shortenSearch(hook: DevToolsHook, runtime: ReactRefresh, keeps: (before: unknown, after: unknown) => boolean): void {
  if (!runtime.getFamilyByType) return;
  const fibers = new Fibers((type) => runtime.getFamilyByType?.(type), keeps);
  const committed = new Map<unknown, (root: Root) => void>();
  const { inject, onCommitFiberRoot } = hook;
  hook.inject = (renderer) => {
    const id = inject.call(hook, renderer);
    const tell = fibers.adopt(renderer);
    if (tell) committed.set(id, tell);
    return id;
  };
  hook.onCommitFiberRoot = (id, root, ...more) => {
    onCommitFiberRoot.call(hook, id, root, ...more);
    committed.get(id)?.(root);
  };
}
