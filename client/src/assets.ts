// Refreshes images, icons, media and fonts wherever a page uses them.

import { pathOf, renewed, roots } from "./dom";

/** Which elements load something by which attribute. */
const users: Record<string, string> = {
  src: "img,source,video,audio,track,embed,input[type=image]",
  srcset: "img,source",
  poster: "video",
  data: "object",
  href: "link[rel~=icon],link[rel^=apple-touch],link[rel=mask-icon],use,image,feImage",
  "xlink:href": "use,image,feImage",
};

/**
 * Refreshes every element and style that uses the file at `path`, and returns how many did:
 * in the document, in open shadow roots, in style attributes and in every sheet that may be read.
 */
export function refreshAsset(path: string): number {
  let found = 0;
  // Gives the new address of a URL that leads to path, null for any other.
  const turn = (url: string, base?: string): string | null => {
    if (pathOf(url, base) !== path) return null;
    found++;
    return renewed(url, base);
  };
  for (const root of roots()) {
    for (const [attribute, selector] of Object.entries(users)) {
      for (const e of root.querySelectorAll(selector)) refreshAttribute(e, attribute, turn);
    }
    for (const e of root.querySelectorAll<HTMLElement>("[style*='url(']")) {
      refreshStyle(e.style, (url) => turn(url));
    }
    for (const sheet of [...root.styleSheets, ...(root.adoptedStyleSheets ?? [])]) refreshSheet(sheet, turn);
  }
  return found;
}

type Turn = (url: string, base?: string) => string | null;

function refreshAttribute(e: Element, attribute: string, turn: Turn): void {
  const value = e.getAttribute(attribute);
  if (!value) return;
  const next =
    attribute === "srcset"
      ? value.replace(/(\S*[^\s,])(\s+[^,]+)?/g, (all: string, url: string, size = "") => {
          const to = turn(url);
          return to ? to + size : all;
        })
      : turn(value);
  if (!next || next === value) return;
  const media = attribute === "src" ? e.closest<HTMLMediaElement>("video,audio") : null;
  if (!media) return e.setAttribute(attribute, next);
  const { currentTime, paused } = media;
  e.setAttribute(attribute, next);
  media.load(); // a changed <source> is not noticed without it
  media.addEventListener("loadedmetadata", () => (media.currentTime = currentTime), { once: true });
  if (!paused) void media.play().catch(() => undefined); // may need a gesture
}

function refreshSheet(sheet: CSSStyleSheet, turn: Turn): void {
  let rules: CSSRuleList;
  try {
    rules = sheet.cssRules;
  } catch {
    return; // of another origin
  }
  const owner = sheet.ownerNode instanceof Element ? sheet.ownerNode.baseURI : document.baseURI;
  refreshRules(rules, (url) => turn(url, sheet.href ?? owner), turn);
}

function refreshRules(rules: CSSRuleList, turnHere: (url: string) => string | null, turn: Turn): void {
  for (const rule of rules) {
    if (rule instanceof CSSImportRule) {
      if (rule.styleSheet) refreshSheet(rule.styleSheet, turn);
      continue;
    }
    if ("style" in rule && rule.style instanceof CSSStyleDeclaration) refreshStyle(rule.style, turnHere);
    if ("cssRules" in rule && rule.cssRules instanceof CSSRuleList) refreshRules(rule.cssRules, turnHere, turn);
  }
}

function refreshStyle(style: CSSStyleDeclaration, turn: (url: string) => string | null): void {
  const before = style.cssText;
  if (!before.includes("url(")) return;
  const after = before.replace(
    /url\(\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^)\s"']+))\s*\)/g,
    (all: string, double?: string, single?: string, bare?: string) => {
      const to = turn((double ?? single ?? bare ?? "").replace(/\\(.)/g, "$1"));
      return to ? `url(${JSON.stringify(to)})` : all;
    },
  );
  if (after !== before) style.cssText = after;
}
