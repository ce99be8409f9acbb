// The module registry of the page, at globalThis.__devserve.

import type { Update } from "./protocol";

export interface Registry {
  /** The newest build that any bundle or update on this page contains; 0 if there is none. */
  build: number;
  /** URLs of entries whose bundle never built. */
  failed: string[];
  /** Reports whether a module or an imported style sheet is in this page. */
  has(path: string): boolean;
  /** Applies updates that carry code. Resolves to null, or to the reason why the page must reload. */
  update(build: number, updates: Update[]): Promise<string | null>;
}

declare global {
  var __devserve: Registry | undefined;
}

/** Returns the page's registry and creates it when this is the first to ask. */
export function registry(): Registry {
  return (globalThis.__devserve ??= {
    build: 0,
    failed: [],
    has: () => false,
    update: async () => null,
  });
}
