// Finding what a page uses, and addressing it anew.

/** The document and every open shadow root in it. */
export function roots(): (Document | ShadowRoot)[] {
  const found: (Document | ShadowRoot)[] = [document];
  for (const root of found) {
    for (const e of root.querySelectorAll("*")) if (e.shadowRoot) found.push(e.shadowRoot);
  }
  return found;
}

/** The decoded path of a URL of this page's own origin, else "". */
export function pathOf(url: string, base: string = document.baseURI): string {
  try {
    const u = new URL(url, base);
    return u.origin === location.origin ? decode(u.pathname) : "";
  } catch {
    return "";
  }
}

/** The path of an update, which may come encoded or not, in the form that pathOf has. */
export function updatePath(path: string): string {
  return pathOf(path.replace(/[?#]/g, encodeURIComponent), location.origin);
}

/** The same address with a query that no cache has seen. */
export function renewed(url: string, base: string = document.baseURI): string {
  const u = new URL(url, base);
  u.searchParams.set("devserve", (count++).toString(36));
  return u.pathname + u.search + u.hash;
}

let count = Date.now();

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // a lone % sign
  }
}
