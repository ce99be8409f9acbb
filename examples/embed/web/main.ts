import { clock } from "./clock";

const shown = document.querySelector<HTMLElement>("#clock");
if (shown) {
  const tick = () => (shown.textContent = `TypeScript says it is ${clock(new Date())}.`);
  tick();
  setInterval(tick, 1000);
}
