// Swaps linked style sheets: the new one is loaded before the old one leaves, so that no frame
// is painted without styles.

import { pathOf, renewed, roots } from "./dom";

/** A link that loads, by the link whose place it takes. */
const loading = new WeakMap<HTMLLinkElement, HTMLLinkElement>();

/** Marks links that load, which are not what the page shows. */
const mark = "data-devserve-loading";

/**
 * Swaps every link to the style sheet at `path`, in the document and in open shadow roots,
 * and returns how many there were. Of swaps in quick succession the last wins.
 */
export function swapStyleSheets(path: string): number {
  let found = 0;
  for (const root of roots()) {
    for (const link of root.querySelectorAll<HTMLLinkElement>(`link[rel~=stylesheet][href]:not([${mark}])`)) {
      if (pathOf(link.href) !== path) continue;
      found++;
      swap(link);
    }
  }
  return found;
}

function swap(old: HTMLLinkElement): void {
  const href = renewed(old.href);
  if (old.disabled || old.relList.contains("alternate")) {
    // A disabled link shows nothing, and its copy would never load. Whether a script chose
    // an alternate one cannot be seen, so a copy could not be made to follow.
    old.href = href;
    return;
  }
  loading.get(old)?.remove();
  const next = old.cloneNode() as HTMLLinkElement;
  next.removeAttribute("integrity"); // of the old content
  next.setAttribute(mark, "");
  next.href = href;
  loading.set(old, next);
  next.addEventListener("load", () => {
    if (!next.isConnected) return; // another was faster
    next.removeAttribute(mark);
    old.remove();
  });
  next.addEventListener("error", () => {
    if (!next.isConnected) return;
    next.remove(); // the old one is better than none
    console.warn(`[devserve] ${href} did not load: its last good styles stay; save it again or look at the network panel`);
  });
  old.after(next);
}
