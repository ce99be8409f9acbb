// The style sheets that modules import: one <style> each, in the order in which the modules run.

interface Sheet {
  text: string;
  build: number;
  element?: HTMLStyleElement;
}

export class Styles {
  private readonly sheets = new Map<string, Sheet>();

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
    element.textContent = sheet.text;
    document.head.append(element);
    sheet.element = element;
  }

  /** Replaces a sheet's text; what the page has not got, or has newer, is left alone. */
  update(id: string, text: string, build: number): void {
    const sheet = this.sheets.get(id);
    if (!sheet || sheet.build >= build) return;
    sheet.text = text;
    sheet.build = build;
    if (sheet.element) sheet.element.textContent = text;
  }
}
