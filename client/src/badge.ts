// A small mark in the corner: the server is away, a build takes long, errors are hidden.

import css from "./badge.css";
import { element, h, keep } from "./element";

/** What can be shown, the most important first; only one is. */
const kinds = ["paused", "offline", "hidden", "building"] as const;
export type Kind = (typeof kinds)[number];

export interface Badge {
  /** Shows `text` after `delay` ms unless it is hidden before; with `act` it is a button. */
  show(kind: Kind, text: string, delay?: number, act?: () => void): void;
  hide(kind: Kind): void;
}

interface Content {
  text: string;
  act: (() => void) | undefined;
}

export function badge(): Badge {
  const shown = new Map<Kind, Content>();
  const timers = new Map<Kind, number>();
  let mounted: { root: ShadowRoot; remove: () => void } | null = null;

  function render(): void {
    const kind = kinds.find((k) => shown.has(k));
    const content = kind && shown.get(kind);
    if (!content) {
      mounted?.remove();
      mounted = null;
      return;
    }
    if (!mounted) {
      const { host, root } = element("devserve-badge", css);
      root.append(h("div", { role: "status", "aria-live": "polite" }));
      mounted = { root, remove: keep(host) };
    }
    const inner = content.act ? h("button", { type: "button" }) : h("span", {});
    inner.append(h("i", { "aria-hidden": "true" }), content.text);
    inner.className = kind;
    if (content.act) inner.addEventListener("click", content.act);
    mounted.root.querySelector("div")?.replaceChildren(inner);
  }

  function hide(kind: Kind): void {
    clearTimeout(timers.get(kind));
    timers.delete(kind);
    if (shown.delete(kind)) render();
  }

  return {
    hide,
    show(kind, text, delay = 0, act) {
      hide(kind);
      const now = (): void => {
        shown.set(kind, { text, act });
        render();
      };
      if (delay === 0) now();
      else timers.set(kind, setTimeout(now, delay));
    },
  };
}
