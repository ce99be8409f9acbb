// The style sheets that modules import: one <style> each, in the order in which the modules run. Where a policy
// (style-src) leaves a <style> empty, the document adopts a sheet instead, which no policy forbids; it counts as
// behind all that stand in the document.

interface Sheet {
  text: string;
  build: number;
  element?: HTMLStyleElement | undefined;
  adopted?: CSSStyleSheet | undefined;
}

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
    fill(sheet);
  }

  /** Puts the sheets into the order of the modules, as a fresh load would have them. */
  arrange(ids: string[]): void {
    const wanted = ids.flatMap((id) => this.sheets.get(id)?.element ?? []);
    const inDocument = [...document.querySelectorAll<HTMLStyleElement>("style[data-devserve]")].filter((e) => wanted.includes(e));
    if (wanted.every((e, i) => e === inDocument[i])) return;
    const end = inDocument.at(-1)?.nextSibling ?? null;
    for (const element of wanted) document.head.insertBefore(element, end);
    const adopted = ids.flatMap((id) => this.sheets.get(id)?.adopted ?? []);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets.filter((s) => !adopted.includes(s)), ...adopted];
  }
}

let forbidden = false; // seen once, as browsers complain each time

/** Writes a sheet's text to where it is shown, if it is. */
function fill(sheet: Sheet): void {
  if (!sheet.element) return;
  if (!forbidden) {
    sheet.element.textContent = sheet.text;
    forbidden = !sheet.element.sheet && sheet.text !== "";
    if (!forbidden) return;
  }
  if (!sheet.adopted) document.adoptedStyleSheets.push((sheet.adopted = new CSSStyleSheet()));
  sheet.adopted.replaceSync(sheet.text);
}
