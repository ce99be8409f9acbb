// Appended to chunks that import() what needs style sheets or more than one script: asks for all of it at once, and
// waits for the style sheets.
function __devserve_load(urls, load) {
  const asked = (globalThis.__devserve_asked ??= {});
  return Promise.all(
    urls.map(
      (url) =>
        (asked[url] ??= document.querySelector(`link[href="${url}"]`)
          ? Promise.resolve()
          : new Promise((resolve, reject) => {
              const style = url.endsWith(".css");
              const link = document.createElement("link");
              link.rel = style ? "stylesheet" : "modulepreload";
              link.nonce = document.querySelector("[nonce]")?.nonce ?? "";
              link.href = url;
              link.onload = resolve;
              link.onerror = () => {
                delete asked[url];
                link.remove();
                reject(new Error(`Could not load ${url}`));
              };
              document.head.append(link);
              if (!style) resolve(); // import() itself says what is wrong
            })),
    ),
  ).then(load);
}
