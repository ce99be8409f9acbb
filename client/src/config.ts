// What the server told this page: filled into the script, and written on its tag.

/**
 * Stands in front of the bundle (gen/main.go); the server fills both strings in. The token is
 * for requests that act on the developer's machine, in the header X-Devserve-Token.
 */
declare const __devserve_config: { token: string; base: string };

export interface Config {
  /** URL of the server's own endpoints, with the last slash. */
  home: URL;
  /** The hub's newest event when this page was asked for; "" if the tag was written by hand. */
  id: string;
  /** For requests that act on the developer's machine. */
  token: string;
  /** URL path of the site's file that was served; "" if the app rendered the page itself. */
  page: string;
  /** Which of the server's copies is the page as it was rendered; "" if there is none. */
  copy: string;
}

/**
 * Reads the configuration of the script tag that runs. It is null in modules and after the
 * script has run, so call this at once.
 */
export function config(): Config {
  const own = document.currentScript ?? document.querySelector("script[src*='_devserve/client.js']");
  const tag = own instanceof HTMLScriptElement ? own : null;
  // Relative to the script's own URL: right behind every proxy, with no option for it.
  const src = tag?.src || location.href;
  const { base, token } = __devserve_config;
  return {
    home: base.startsWith("/") ? new URL(`${base}_devserve/`, src) : new URL(".", src),
    token,
    id: tag?.dataset["id"] ?? "",
    page: tag?.dataset["page"] ?? "",
    copy: tag?.dataset["copy"] ?? "",
  };
}
