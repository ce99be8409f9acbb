// The client's own elements: each in a shadow root, so that neither the page's styles nor ours
// reach the other, and in the document only while there is something to show.

/** By their text: what comes and goes is parsed once. */
const sheets = new Map<string, CSSStyleSheet>();

/** Makes a custom element `name` whose open shadow root has `css`. Defines it first if need be. */
export function element(name: string, css: string): { host: HTMLElement; root: ShadowRoot } {
  if (!customElements.get(name)) customElements.define(name, class extends HTMLElement {});
  const host = document.createElement(name);
  const root = host.attachShadow({ mode: "open" });
  try {
    let sheet = sheets.get(css);
    if (!sheet) {
      sheets.set(css, (sheet = new CSSStyleSheet())); // no style-src policy stops it
      sheet.replaceSync(css);
    }
    root.adoptedStyleSheets = [sheet];
  } catch {
    root.append(h("style", {}, css));
  }
  return { host, root };
}

/** Makes an element. Strings become text nodes: nothing foreign is ever parsed as HTML. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string>,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  e.append(...children);
  return e;
}

/**
 * Puts `host` into the document once there is a body, and back whenever the page loses it (frameworks
 * that render the whole document, document.open); `placed` is told each time. Returns what takes it out.
 */
export function keep(host: HTMLElement, placed: () => void = () => undefined): () => void {
  const observer = new MutationObserver(place);
  let tries = 20; // a page that fights for its document wins
  function place(): void {
    if (host.isConnected || tries-- <= 0) return;
    observer.disconnect();
    observer.observe(document, { childList: true });
    const top = document.documentElement;
    if (!top) return;
    observer.observe(top, { childList: true });
    if (!document.body) return;
    // Beside the body, not in it: frameworks that replace its content leave us alone.
    top.append(host);
    placed();
  }
  place();
  return () => {
    observer.disconnect();
    host.remove();
  };
}
