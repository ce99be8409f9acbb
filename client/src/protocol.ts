// What the server says over the event stream. The same words as reload/message.go;
// testdata/*.json holds a sample of each, read by the tests of both sides.

/** A diagnostic for people; line and column count from 1 and are 0 when unknown. */
export interface Diagnostic {
  text: string;
  file: string;
  line: number;
  column: number;
  length: number;
  lineText: string;
  notes: Note[];
}

export interface Note {
  text: string;
  file?: string;
  line?: number;
  column?: number;
  length?: number;
  lineText?: string;
}

/** One thing that changed. `code` or `url` carry a module's or an imported style sheet's new content. */
export interface Update {
  type: "js" | "css" | "html" | "asset";
  path: string;
  code?: string;
  url?: string;
}

export interface Building {
  type: "building";
  build: number;
  files: string[];
}

export interface Built {
  type: "built";
  build: number;
  /** Whose errors are over; without it nothing is broken any more. */
  source?: string;
  hash: string;
  ms: number;
  warnings: Diagnostic[];
  updates: Update[];
  reload?: { reason: string };
  sync?: boolean;
}

export interface BuildError {
  type: "error";
  build: number;
  source: string;
  errors: Diagnostic[];
  warnings: Diagnostic[];
  sync?: boolean;
}

/** A message is an event's data with the event's name as its `type`. */
export type Message = Building | Built | BuildError;
