// Ripples where one clicks. This module has something to clean up, and something to keep.

const seconds = 1.6;
const color = "light-dark(#ffffff, #4dabf7)";

let pond: HTMLElement | undefined = import.meta.hot?.data.pond;
const stop = new AbortController();

/** Makes ripples in an element. */
export function ripple(element: HTMLElement): void {
  pond = element;
  element.addEventListener("pointerdown", drop, { signal: stop.signal });
}

function drop(event: PointerEvent): void {
  const ring = document.createElement("i");
  ring.style.cssText = `position:fixed;left:${event.clientX}px;top:${event.clientY}px;border:2px solid ${color};border-radius:50%;translate:-50% -50%;pointer-events:none`;
  document.body.append(ring);
  ring
    .animate([{ width: "0", height: "0", opacity: 1 }, { width: "14rem", height: "14rem", opacity: 0 }], { duration: seconds * 1000, easing: "ease-out" })
    .finished.then(() => ring.remove());
}

if (import.meta.hot) {
  // The old module stops listening; the new one is told where, and begins.
  import.meta.hot.dispose((data) => {
    data.pond = pond;
    stop.abort();
  });
  import.meta.hot.accept();
  if (pond) ripple(pond);
}
