// A diagnostic as text: the same words and code frame in the overlay, its copy and the console.

import type { Diagnostic, Note } from "./protocol";
import { culprit } from "./blame";

/** `src/app.ts:12:5`, without what is unknown. */
export function place(d: Note): string {
  if (!d.file) return "";
  return d.file + (d.line ? `:${d.line}${d.column ? `:${d.column}` : ""}` : "");
}

/** The line of code that a diagnostic is about, in three parts, with the middle one to blame. */
export interface Frame {
  line: string;
  before: string;
  marked: string;
  after: string;
  /** As wide as `before`, then a caret for each marked character. */
  caret: string;
}

/** How much of a line is shown beside the mark. Minified files have lines of a megabyte. */
const around = 240;

export function frame(d: Note): Frame | null {
  if (!d.lineText || !d.line) return null;
  const text = d.lineText.replace(/[\r\n].*/s, "");
  const start = d.column ? Math.min(d.column - 1, text.length) : text.length;
  const end = d.column ? Math.min(start + (d.length ?? 0), text.length) : start;
  const before = start > around ? "…" + text.slice(start - around, start) : text.slice(0, start);
  const marked = text.slice(start, Math.min(end, start + around));
  const rest = text.slice(start + marked.length);
  const after = rest.length > around ? rest.slice(0, around) + "…" : rest;
  const caret = d.column ? before.replace(/./gsu, blank) + "^".repeat(Math.max(1, blanks(marked))) : "";
  return { line: String(d.line), before, marked, after, caret };
}

/** A diagnostic with its frame and notes, for the clipboard and the console. */
export function plain(d: Diagnostic | Note): string {
  const at = place(d);
  const f = frame(d);
  let text = at ? `${at}: ${d.text}` : d.text;
  if (f) {
    text += `\n  ${f.line} | ${f.before}${f.marked}${f.after}`;
    if (f.caret) text += `\n  ${" ".repeat(f.line.length)} | ${f.caret}`;
  }
  if ("notes" in d && d.notes) for (const n of d.notes) text += `\n\n  ${plain(n).replace(/\n/g, "\n  ")}`;
  return text;
}

/** `1 error`, `2 errors`. */
export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** White space as wide as a character: tabs stay, ideographs and emoji are two cells. */
function blank(c: string): string {
  return c === "\t" ? c : wide.test(c) ? "\u3000" : " ";
}

const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f000}-\u{3fffd}]/u;

function blanks(s: string): number {
  let n = 0;
  for (const c of s) n += wide.test(c) ? 2 : 1;
  return n;
}

/** What a module threw while it ran. */
export function thrownBy(id: string, thrown: unknown): Diagnostic {
  const text = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : `Uncaught ${String(thrown)}`;
  const notes = thrown instanceof Error && thrown.stack ? [{ text: thrown.stack }] : [];
  return { text, file: (culprit(thrown) || id).replace(/^\//, ""), line: 0, column: 0, length: 0, lineText: "", notes };
}
