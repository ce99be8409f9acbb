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
  /** Who found it, of an error: a sync has those of every source. */
  source?: string;
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
  /** Of a page that a program renders: it is rendered from the file at `path`, or may be. */
  rendered?: boolean;
}

export interface Building {
  type: "building";
  build: number;
  files: string[];
}

export interface Built {
  type: "built";
  build: number;
  /** Whose errors are over: the site's own build's (ownSource) where nothing is said. */
  source?: string;
  hash: string;
  ms: number;
  warnings: Diagnostic[];
  updates: Update[];
  reload?: { reason: string };
  /** What the page must know of the modules beyond their code. */
  info?: ModuleInfo;
  trace?: Trace;
  sync?: boolean;
}

/** When the server did what: `seen` in ms since 1970, the rest in ms since then. */
export interface Trace {
  seen: number;
  written?: number;
  settled?: number;
  began?: number;
  compiled?: number;
  /** The page is to tell its part. */
  report?: boolean;
}

/** What a bundle or an update says of its modules beyond their code. */
export interface ModuleInfo {
  /** The static imports, in order, of modules that run by promise. */
  asyncs?: Record<string, string[]>;
  /** By module that accepts exports by name, and importer: the names that it reads. */
  names?: Record<string, Record<string, string[]>>;
  /** By module that accepts dependencies: IDs by import specifier. */
  specs?: Record<string, Record<string, string>>;
  /** By changed module: what it imports, and what it asks for by import(). */
  imports?: Record<string, string[]>;
  lazies?: Record<string, string[]>;
}

/** An event of the program's own, for import.meta.hot.on. */
export interface Custom {
  type: "custom";
  event: string;
  data: unknown;
}

export interface BuildError {
  type: "error";
  build: number;
  /** Whose errors are these and no others. */
  source: string;
  errors: Diagnostic[];
  warnings: Diagnostic[];
  /** What changed beside, and is not broken. */
  updates?: Update[];
  info?: ModuleInfo;
  trace?: Trace;
  sync?: boolean;
}

/** The source of what the build of the site itself finds. */
export const ownSource = "esbuild";

/** A message is an event's data with the event's name as its `type`. */
export type Message = Building | Built | BuildError | Custom;
