// The overlay: what is broken, where, and the code. A modal dialog in the browser's top layer, so it
// needs no fight for z-index, holds the focus and gives it back.

import { count, frame, place, plain } from "./diagnostic";
import css from "./overlay.css";
import { element, h, keep } from "./element";
import type { BuildError, Diagnostic, Note } from "./protocol";

/** The source of errors that the page itself found: modules that threw. A good build does not end those. */
export const pageSource = "page";

export interface Overlay {
  /**
   * Shows errors in place of those of the same source, or takes them away if there are none.
   * Returns false for what it knows already, which stays closed if the reader closed it.
   */
  show(error: BuildError): boolean;
  /** Takes the errors of one source away, or all. */
  clear(source?: string): void;
}

/** `hidden` is told how many errors the reader has closed away, 0 when none, and how to show them again. */
export function overlay(hidden: (errors: number, show: () => void) => void): Overlay {
  const broken = new Map<string, BuildError>(); // by source
  const closed = new Set<string>(); // what the reader closed, as said
  let view: View | null = null;

  function render(): void {
    const all = [...broken.values()];
    const errors = all.flatMap((e) => e.errors);
    const open = all.some((e) => !closed.has(said(e)));
    if (open && !view) view = makeView(close);
    if (open) view?.fill(all);
    else {
      view?.remove();
      view = null;
    }
    hidden(open ? 0 : errors.length, reopen);
  }

  function close(): void {
    for (const e of broken.values()) closed.add(said(e));
    render();
  }

  function reopen(): void {
    closed.clear();
    render();
  }

  return {
    show(error) {
      const last = broken.get(error.source);
      if (last && said(last) === said(error)) return false;
      if (error.errors.length > 0) broken.set(error.source, error);
      else broken.delete(error.source);
      render();
      return true;
    },
    clear(source) {
      for (const key of broken.keys()) if (key === (source ?? key) && (source || key !== pageSource)) broken.delete(key);
      if (broken.size === 0) closed.clear();
      render();
    },
  };
}

/** What an error says, whichever build says it: while it lasts, every build does. */
function said(e: BuildError): string {
  return JSON.stringify([e.source, e.errors]);
}

interface View {
  fill(all: BuildError[]): void;
  remove(): void;
}

function makeView(close: () => void): View {
  const { host, root } = element("devserve-overlay", css);
  const title = h("h1", { id: "title" }, "Build failed");
  const total = h("p", { class: "count" });
  const copy = h("button", { type: "button" }, "Copy");
  const dismiss = h("button", { type: "button", "aria-label": "Close", title: "Close (Esc)", class: "close" });
  dismiss.append(h("span", { "aria-hidden": "true" }, "Esc"));
  const list = h("div", { class: "list", tabindex: "0", autofocus: "" });
  const dialog = h(
    "dialog",
    { role: "alertdialog", "aria-labelledby": "title", "aria-describedby": "list" },
    h("header", {}, title, total, copy, dismiss),
    list,
    h("footer", {}, "Save a fix and this closes by itself."),
  );
  list.id = "list";
  root.append(dialog);

  let text = "";
  const onCopy = (): void => {
    void copyText(text, dialog).then((done) => {
      copy.textContent = done ? "Copied" : "Not allowed";
      setTimeout(() => (copy.textContent = "Copy"), 1500);
    });
  };
  const onBeside = (e: Event): void => {
    if (e.target === dialog) close();
  };
  const onCancel = (e: Event): void => {
    e.preventDefault();
    close();
  };
  // In front of the page's own shortcuts, wherever the focus is.
  const onKey = (e: KeyboardEvent): void => {
    if (e.key !== "Escape" || !host.isConnected) return;
    e.preventDefault();
    e.stopImmediatePropagation();
    close();
  };

  const take = keep(host, () => {
    // Each time, for document.open() takes all listeners away; the same one is never added twice.
    copy.addEventListener("click", onCopy);
    dismiss.addEventListener("click", close);
    dialog.addEventListener("click", onBeside);
    dialog.addEventListener("cancel", onCancel);
    addEventListener("keydown", onKey, true);
    dialog.close(); // it may come from a document that is gone, where it was open
    dialog.showModal();
    showMarks();
  });
  /** Scrolls long lines to what is marked. */
  function showMarks(): void {
    for (const code of list.querySelectorAll<HTMLElement>("pre")) {
      const mark = code.querySelector("mark");
      if (mark && mark.offsetLeft + mark.offsetWidth > code.clientWidth) code.scrollLeft = mark.offsetLeft - code.clientWidth / 3;
    }
  }

  return {
    fill(all) {
      const errors = all.flatMap((e) => e.errors);
      title.textContent = all.every((e) => e.source === pageSource) ? "Page failed" : "Build failed";
      const files = new Set(errors.map((e) => e.file).filter((f) => f !== "")).size;
      total.replaceChildren(count(errors.length, "error"));
      if (files > 1) total.append(h("span", { class: "files" }, ` in ${count(files, "file")}`));
      text = errors.map((e) => plain(e)).join("\n\n") + "\n";
      list.replaceChildren(...errors.map(article));
      list.scrollTop = 0;
      showMarks();
    },
    remove() {
      removeEventListener("keydown", onKey, true);
      dialog.close(); // gives the focus back
      take();
    },
  };
}

function article(d: Diagnostic): HTMLElement {
  const notes = (d.notes ?? []).map((n) => h("li", {}, h("p", {}, n.text), ...figure(n)));
  return h(
    "article",
    {},
    h("h2", {}, d.text),
    ...figure(d),
    ...(notes.length > 0 ? [h("ul", {}, ...notes)] : []),
  );
}

/** Where a diagnostic or a note points, with the code when it is known. */
function figure(d: Note): HTMLElement[] {
  const at = place(d);
  if (!at) return [];
  const file = d.file ?? "";
  const caption = h("figcaption", {}, h("b", {}, file), at.slice(file.length));
  const f = frame(d);
  if (!f) return [h("figure", {}, caption)];
  const code = h("pre", { tabindex: "0", role: "group", "aria-label": `Code at ${at}` });
  code.append(h("span", { class: "gutter" }, `${f.line} `), f.before, h("mark", {}, f.marked), f.after, "\n");
  if (f.caret) {
    code.append(h("span", { class: "gutter" }, " ".repeat(f.line.length + 1)), h("span", { class: "caret", "aria-hidden": "true" }, f.caret));
  }
  return [h("figure", {}, caption, code)];
}

async function copyText(text: string, parent: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Plain http on another name than localhost has no clipboard; the old way still works there.
    const area = h("textarea", {}, text);
    parent.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
