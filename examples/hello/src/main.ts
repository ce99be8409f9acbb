import { curves } from "./curve";
import { draw } from "./pen";

const paper = find<SVGSVGElement>("#paper");
const caption = find("#caption");
let drawn = 0;

/** Puts the next curve on a new sheet. */
function next(): void {
  const curve = curves[drawn % curves.length];
  if (!curve) throw new Error("src/curve.ts has no curves");
  drawn++;
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", draw(curve));
  path.setAttribute("pathLength", "1"); // so that style.css can draw it from 0 to 1
  paper.replaceChildren(path);
  caption.textContent = `${drawn}. ${curve.name}`;
}

function find<T extends Element>(selector: string): T {
  const element = document.querySelector<T>(selector);
  if (!element) throw new Error(`index.html has no ${selector}`);
  return element;
}

find("#again").addEventListener("click", next);
next();
