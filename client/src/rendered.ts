// Pages that a program renders from templates: what a change of these means for this page.

import type { Page } from "./morph";
import type { Diagnostic } from "./protocol";

/**
 * Brings the page up to date with `files`, which it may have been rendered from. Returns null, or the
 * reason why the page must be reloaded.
 */
export type Refresh = (files: string[]) => Promise<string | null>;

/**
 * What it takes is loaded when it is first needed. `show` is told what keeps the program from rendering the
 * page, or nothing. Call it at once: it notes where the page is.
 */
export function refresher(page: Page, show: (errors: Diagnostic[]) => void): Refresh {
  const address = (): string => location.pathname + location.search;
  const at = address();
  return async (files) => {
    const changed = `${files.join(", ")} changed`;
    if (address() !== at) return `${changed}, and a script has led this page to another address`;
    const morph = (await import(new URL("morph.js", page.home).href)) as typeof import("./morph");
    const outcome = await morph.refresh(page);
    show("broken" in outcome ? [outcome.broken] : []);
    return "reload" in outcome ? `${changed}: ${outcome.reload}` : null;
  };
}
