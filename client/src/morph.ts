// Brings a page that a program renders up to date with its templates: fetches it again, and changes in the
// document what differs from the last rendering. Loaded when a template changes for the first time.
//
// Not the document is compared with the new rendering, but the old rendering: what scripts
// and the reader have made of the page is no difference, and stays. Whatever could make the page
// another one than a load would is a reason to load it.

import type { Diagnostic } from "./protocol";
import { name, patch, Refusal } from "./patch";

export interface Page {
  /** URL of the server's own endpoints. */
  home: URL;
  /** Which of the server's copies is this page as it was served. */
  copy: string;
}

/** How it went: done, a reason to load the page anew, or why there is nothing to show. */
export type Outcome = { done: true } | { reload: string } | { broken: Diagnostic };

/** How long the program may take to answer, in ms. */
const patience = 30_000;

/** How long a file may take to be written, in ms; less than a person notices before a reload. */
const again = 100;

interface Rendering {
  text: string;
  policy: string;
}

/** What the document was rendered as, once it is known. */
let last: Rendering | undefined;

export async function refresh(page: Page): Promise<Outcome> {
  let found = await look(page);
  // Programs read templates while these are written: another look tells what is meant.
  for (let n = 0; !("now" in found) && n < ("empty" in found ? 10 : 1); n++) {
    await new Promise((done) => setTimeout(done, again));
    found = await look(page);
  }
  if (!("now" in found)) return found;
  const { a, n, now } = found;
  if (a && n) {
    if (document.readyState === "loading") await new Promise((done) => document.addEventListener("DOMContentLoaded", done));
    try {
      patch(document.documentElement, a.documentElement, n.documentElement);
    } catch (thrown) {
      if (thrown instanceof Refusal) return { reload: thrown.message };
      throw thrown;
    }
    (globalThis as { htmx?: { process?(e: Element): void } }).htmx?.process?.(document.body); // it does not look by itself
    document.dispatchEvent(new CustomEvent("devserve:morph"));
  }
  last = now;
  return { done: true };
}

/** How the page is rendered now, and both renderings as documents if they differ; or why it cannot be morphed. */
async function look(page: Page): Promise<{ now: Rendering; a?: Document; n?: Document } | { reload: string; empty?: true } | { broken: Diagnostic }> {
  const path = location.pathname + location.search;
  let answer: Response;
  try {
    answer = await fetch(location.href, {
      headers: { Accept: "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8" },
      cache: "no-store",
      redirect: "manual",
      signal: AbortSignal.timeout(patience),
    });
  } catch (thrown) {
    return { broken: diagnostic(`GET ${path} got no answer: ${String(thrown)}`) };
  }
  if (answer.type === "opaqueredirect") return { reload: `${path} leads elsewhere now` };
  const now = await rendering(answer);
  const isPage = /^text\/html\b/i.test(answer.headers.get("Content-Type") ?? "");
  if (!answer.ok && !isPage) {
    return { broken: diagnostic(`GET ${path} answered ${answer.status} ${answer.statusText}`, now.text.trim().slice(0, 4000)) };
  }
  if (!isPage) return { reload: `${path} is no HTML now` };
  const status = ownStatus();
  if (answer.status !== status) return { reload: `${path} answers ${answer.status} now, and ${status} before` };

  const old = last ?? (await served(page));
  if (!old) return { reload: "there is no copy of this page to compare it with" };
  if (old.text === now.text) return { now };
  if (now.text.trim() === "") return { reload: `${path} is empty now`, empty: true };
  let a: Document;
  let n: Document;
  try {
    [a, n] = [parse(old.text), parse(now.text)];
  } catch (thrown) {
    return { reload: `its policy does not let it be read: ${String(thrown)}` }; // Trusted Types
  }
  const reason = unsafe(a, n) ?? (old.policy === now.policy ? null : "its Content-Security-Policy changed");
  return reason === null ? { now, a, n } : { reload: reason };
}

/** The status that this page came with. */
function ownStatus(): number {
  const [entry] = performance.getEntriesByType("navigation");
  return (entry as PerformanceNavigationTiming & { responseStatus?: number }).responseStatus || 200;
}

/** This page as the server got it from the program. */
async function served({ home, copy }: Page): Promise<Rendering | null> {
  if (copy === "") return null;
  const answer = await fetch(new URL(`copy/${copy}`, home));
  return answer.ok ? rendering(answer) : null;
}

async function rendering(answer: Response): Promise<Rendering> {
  const policy = answer.headers.get("Devserve-Policy") ?? answer.headers.get("Content-Security-Policy") ?? "";
  return {
    text: new TextDecoder(document.characterSet).decode(await answer.arrayBuffer()), // text() knows UTF-8 alone
    policy: policy.replace(/'nonce-[^']*'/g, ""),
  };
}

function parse(text: string): Document {
  return new DOMParser().parseFromString(text, "text/html");
}

/** Why a page cannot become another without a load, or null. */
function unsafe(a: Document, n: Document): string | null {
  const scripts = (d: Document): Map<string, string> => list(d, "script", (e) => said(e) + (e.textContent ?? ""));
  const heads = (d: Document): Map<string, string> => list(d, "base,meta[http-equiv],meta[charset]", said);
  const [was, is] = [scripts(a), scripts(n)];
  for (const [key, script] of was) if (!is.has(key)) return `${script} changed or is gone`;
  for (const [key, script] of is) if (!was.has(key)) return `${script} is new`;
  if ([...was.keys()].join() !== [...is.keys()].join()) return "its scripts come in another order";
  for (const [key, e] of heads(a)) if (!heads(n).has(key)) return `${e} changed or is gone`;
  for (const [key, e] of heads(n)) if (!heads(a).has(key)) return `${e} is new`;
  if (type(a) !== type(n)) return "its doctype changed";
  if (n.querySelector("template[shadowrootmode]")) return "it has a declarative shadow root";
  return null;
}

/** Elements by what makes them what they are, each counted, with a name for people. */
function list(d: Document, selector: string, of: (e: Element) => string): Map<string, string> {
  const found = new Map<string, string>();
  for (const e of d.querySelectorAll(selector)) {
    if (e.getAttribute("src")?.includes("_devserve/client.js")) continue;
    let key = of(e);
    while (found.has(key)) key += "+";
    const src = e.getAttribute("src");
    found.set(key, e.localName !== "script" ? name(e) : src !== null ? `the script ${src}` : "an inline script");
  }
  return found;
}

function said(e: Element): string {
  const copy = e.cloneNode() as Element;
  copy.removeAttribute("nonce");
  return copy.outerHTML;
}

function type(d: Document): string {
  return d.doctype ? [d.doctype.name, d.doctype.publicId, d.doctype.systemId].join() : "";
}

function diagnostic(text: string, more = ""): Diagnostic {
  const notes = more === "" ? [] : [{ text: more }];
  return { text, file: "", line: 0, column: 0, length: 0, lineText: "", notes };
}
