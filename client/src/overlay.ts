// The overlay: what is broken, where, and the code. A popover in the browser's top layer, so it needs no fight for z-index,
// that holds the focus and gives it back. A modal dialog would do that by itself, and make all of the page inert: in a page of
// 10,000 elements Chromium takes 18 ms to open one and 17 ms to close it (measured).

import { count, frame, place, plain } from "./diagnostic";
import css from "./overlay.css";
import { element, h, keep } from "./element";
import { ownSource, type Diagnostic, type Note } from "./protocol";

/** The sources of errors that the page itself found: modules that threw, and a program that does not render it. A good build does not end those. */
export const pageSource = "page";
export const renderingSource = "rendering";

export interface Overlay {
  /**
   * Shows errors in place of those of their source, or takes those away if there are none. Without a source
   * they are those of all but the page itself, and each says whose it is. Returns false for
   * what it knows already, which stays closed if the reader closed it.
   */
  show(errors: Diagnostic[], source?: string): boolean;
}

/** What is wrong, by source. */
type Broken = Map<string, Diagnostic[]>;

/** `hidden` is told what the reader has closed away, "" when nothing, and how to show it again. */
export function overlay(hidden: (what: string, show: () => void) => void): Overlay {
  const broken: Broken = new Map();
  const closed = new Set<string>(); // what the reader closed, as said
  let view: View | null = null;

  function render(): void {
    const open = [...broken].some((b) => !closed.has(said(b)));
    if (open && !view) view = makeView(close);
    if (open) view?.fill(broken);
    else {
      view?.remove();
      view = null;
    }
    hidden(open || broken.size === 0 ? "" : `${summary(broken)}: ${count([...broken.values()].flat().length, "error")}`, reopen);
  }

  function close(): void {
    for (const b of broken) closed.add(said(b));
    render();
  }

  function reopen(): void {
    closed.clear();
    render();
  }

  return {
    show(errors, source) {
      const before = [...broken].map(said).join();
      const now: Broken = new Map();
      for (const e of errors) {
        const of = source ?? e.source ?? ownSource;
        now.set(of, [...(now.get(of) ?? []), e]);
      }
      for (const key of broken.keys()) {
        if (!now.has(key) && (source ? key === source : key !== pageSource && key !== renderingSource)) broken.delete(key);
      }
      for (const [key, those] of now) broken.set(key, those); // in the place that it had
      if ([...broken].map(said).join() === before) return false;
      if (broken.size === 0) closed.clear();
      render();
      return true;
    },
  };
}

/** What a source's errors say, whichever build says it: while they last, every build does. */
function said([source, errors]: [string, Diagnostic[]]): string {
  return JSON.stringify([source, errors.map((e) => ({ ...e, source }))]);
}

/** "Build failed". */
function summary(broken: Broken): string {
  return `${[...broken.keys()].map(called).join(" and ")} failed`;
}

/** What a source is for people. */
function called(source: string): string {
  return source === ownSource ? "Build" : source === pageSource ? "Page" : source;
}

interface View {
  fill(broken: Broken): void;
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
    { popover: "manual", role: "alertdialog", "aria-modal": "true", "aria-labelledby": "title", "aria-describedby": "list" },
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
    if ((e.key !== "Escape" && e.key !== "Tab") || !host.isConnected) return;
    e.preventDefault();
    e.stopImmediatePropagation();
    if (e.key === "Escape") return close();
    const stops = [...root.querySelectorAll<HTMLElement>("button, [tabindex]")];
    const at = stops.findIndex((stop) => stop === root.activeElement);
    stops.at(e.shiftKey ? Math.max(at, 0) - 1 : (at + 1) % stops.length)?.focus();
  };
  let before: HTMLElement | null = null; // what had the focus
  let rising = 0; // the frame for it
  /**
   * Is over all else of the page, and has the focus. Both need the layout that the next frame makes anyway: done at once, it would be
   * made twice, and the overlay be seen 3 ms later (measured).
   */
  function rise(): void {
    if (!host.isConnected) return;
    const active = focused();
    if (active && active !== root.activeElement) before = active;
    dialog.close(); // it may come from a document that is gone, where it was open
    if (dialog.showPopover) {
      dialog.showPopover();
      list.focus({ preventScroll: true });
      if (root.activeElement !== list) dialog.hidePopover(); // a modal dialog of the page's own has made us inert
    }
    if (root.activeElement !== list) dialog.showModal();
    showMarks();
  }

  const place = (): (() => void) => keep(host, () => {
    // Each time, for document.open() takes all listeners away; the same one is never added twice.
    copy.addEventListener("click", onCopy);
    dismiss.addEventListener("click", close);
    dialog.addEventListener("click", onBeside);
    dialog.addEventListener("cancel", onCancel);
    addEventListener("keydown", onKey, true);
    cancelAnimationFrame(rising); // of a place that was lost before it
    rising = requestAnimationFrame(rise);
  });
  let take: (() => void) | null = null;
  /** Scrolls long lines to what is marked. */
  function showMarks(): void {
    for (const code of list.querySelectorAll<HTMLElement>("pre")) {
      const mark = code.querySelector("mark");
      if (mark && mark.offsetLeft + mark.offsetWidth > code.clientWidth) code.scrollLeft = mark.offsetLeft - code.clientWidth / 3;
    }
  }

  return {
    fill(broken) {
      const errors = [...broken.values()].flat();
      title.textContent = summary(broken);
      const files = new Set(errors.map((e) => e.file).filter((f) => f !== "")).size;
      total.replaceChildren(count(errors.length, "error"));
      if (files > 1) total.append(h("span", { class: "files" }, ` in ${count(files, "file")}`));
      text = errors.map((e) => plain(e)).join("\n\n") + "\n";
      list.replaceChildren(
        ...[...broken].flatMap(([source, those]) => [
          ...(broken.size > 1 ? [h("p", { class: "source" }, called(source))] : []),
          ...those.map(article),
        ]),
      );
      if (take) {
        list.scrollTop = 0;
        showMarks();
      } else {
        take = place(); // full, so that the page is laid out once
      }
    },
    remove() {
      removeEventListener("keydown", onKey, true);
      dialog.close();
      take?.();
      before?.focus({ preventScroll: true });
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

/** What has the focus, in whatever shadow root. */
function focused(): HTMLElement | null {
  let at = document.activeElement;
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  return at instanceof HTMLElement ? at : null;
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
