import * as fish from "./fish";
import * as water from "./water";

const canvas = document.querySelector<HTMLCanvasElement>("#pond");
const age = document.querySelector("#age");
const pen = canvas?.getContext("2d");
if (!canvas || !age || !pen) throw new Error("index.html has no pond");

const began = performance.now();
const school = fish.spawn(24);

function frame(now: number): void {
  const { width, height } = canvas!.getBoundingClientRect();
  canvas!.width = width;
  canvas!.height = height;
  for (const f of school) {
    fish.swim(f, width, height);
    fish.draw(pen!, f);
  }
  age!.textContent = ((now - began) / 1000).toFixed(0);
  requestAnimationFrame(frame);
}

requestAnimationFrame(frame);
water.ripple(document.body);

// What this module imports of ./fish is the new module from here on, so there is
// nothing to do but to say that this is enough.
import.meta.hot?.accept("./fish", () => {
  console.info("The fish have new fins");
});
