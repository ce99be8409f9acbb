// The style sheets that modules import: one <style> each, in the order in which the modules run. Where a policy
// (style-src) leaves a <style> empty, the document adopts a sheet instead, which no policy forbids; it counts as
// behind all that stand in the document.

interface Sheet {
  text: string;
  build: number;
  element?: HTMLStyleElement | undefined;
  adopted?: CSSStyleSheet | undefined;
  /** Set while the element shows rules that its text does not have yet. */
  patched?: number | undefined;
}

/** How long a patched element's text waits, in ms: nobody waits for it, and the next save should not either. */
const idle = 1000;

export class Styles {
  private readonly sheets = new Map<string, Sheet>();

  has(id: string): boolean {
    return this.sheets.has(id);
  }

  /** Takes in a sheet; what another bundle of this page has brought stays. */
  define(id: string, text: string, build: number): void {
    if (!this.sheets.has(id)) this.sheets.set(id, { text, build });
  }

  /** Puts a sheet into the document, after those that are there. */
  show(id: string, text: string): void {
    this.define(id, text, 0);
    this.showDefined(id);
  }

  showDefined(id: string): void {
    const sheet = this.sheets.get(id);
    if (!sheet || sheet.element || typeof document === "undefined") return;
    const element = document.createElement("style");
    element.dataset["devserve"] = id;
    element.nonce = document.querySelector<HTMLElement>("script[nonce]")?.nonce ?? ""; // a policy may ask for it
    document.head.append(element);
    sheet.element = element;
    fill(sheet);
  }

  /** Takes a sheet out of the document, and forgets it. */
  remove(id: string): void {
    const sheet = this.sheets.get(id);
    clearTimeout(sheet?.patched);
    sheet?.element?.remove();
    if (sheet?.adopted) document.adoptedStyleSheets = document.adoptedStyleSheets.filter((s) => s !== sheet.adopted);
    this.sheets.delete(id);
  }

  /** Replaces a sheet's text; what the page has newer is left alone. */
  update(id: string, text: string, build: number): void {
    const sheet = this.sheets.get(id);
    if (!sheet || sheet.build >= build) return;
    sheet.text = text;
    sheet.build = build;
    const shown = sheet.element?.sheet;
    if (!shown || sheet.adopted || !patch(shown, text)) return fill(sheet);
    clearTimeout(sheet.patched);
    sheet.patched = setTimeout(() => fill(sheet), idle);
  }

  /** Puts the sheets into the order of the modules, as a fresh load would have them. */
  arrange(ids: string[]): void {
    const wanted = ids.flatMap((id) => this.sheets.get(id)?.element ?? []);
    const inDocument = [...document.querySelectorAll<HTMLStyleElement>("style[data-devserve]")].filter((e) => wanted.includes(e));
    if (wanted.every((e, i) => e === inDocument[i])) return;
    for (const sheet of this.sheets.values()) if (sheet.patched) fill(sheet); // what moves is parsed again
    const end = inDocument.at(-1)?.nextSibling ?? null;
    for (const element of wanted) document.head.insertBefore(element, end);
    const adopted = ids.flatMap((id) => this.sheets.get(id)?.adopted ?? []);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets.filter((s) => !adopted.includes(s)), ...adopted];
  }
}

let forbidden = false; // seen once, as browsers complain each time

/** Writes a sheet's text to where it is shown, if it is. */
function fill(sheet: Sheet): void {
  clearTimeout(sheet.patched);
  sheet.patched = undefined;
  if (!sheet.element) return;
  if (!forbidden) {
    sheet.element.textContent = sheet.text;
    forbidden = !sheet.element.sheet && sheet.text !== "";
    if (!forbidden) return;
  }
  if (!sheet.adopted) document.adoptedStyleSheets.push((sheet.adopted = new CSSStyleSheet()));
  sheet.adopted.replaceSync(sheet.text);
}

/**
 * Makes a sheet's rules those of a text, and leaves alone those that are the same already: a browser then looks at what the
 * others concern, and not at all that the sheet does. Returns false if that is not to be had.
 */
function patch(sheet: CSSStyleSheet, text: string): boolean {
  if (/@(import|namespace)/i.test(text)) return false; // which cannot be had where rules are parsed, or come late
  try {
    const next = new CSSStyleSheet();
    next.replaceSync(text);
    const old = texts(sheet);
    const fresh = texts(next);
    let start = 0;
    while (start < old.length && old[start] === fresh[start]) start++;
    let end = 0;
    while (end < Math.min(old.length, fresh.length) - start && old.at(-1 - end) === fresh.at(-1 - end)) end++;
    if (Math.max(old.length, fresh.length) - start - end > few) return false;
    for (let i = old.length - end; i > start; i--) sheet.deleteRule(i - 1);
    for (let i = start; i < fresh.length - end; i++) sheet.insertRule(fresh[i] ?? "", i);
    return true;
  } catch {
    return false; // of a rule that does not come back from its own text
  }
}

/** Up to how many rules are replaced one by one. */
const few = 20;

function texts(sheet: CSSStyleSheet): string[] {
  return [...sheet.cssRules].map((rule) => rule.cssText);
}
