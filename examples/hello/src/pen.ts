import type { Curve, Swing } from "./curve";

const seconds = 42;
const stepsPerSecond = 200;
const size = 96;

/** The curve as the data of an SVG path, from -size to size around the origin. */
export function draw(curve: Curve): string {
  let path = "";
  for (let i = 0; i <= seconds * stepsPerSecond; i++) {
    const t = i / stepsPerSecond;
    path += `${i === 0 ? "M" : "L"}${at(curve.x, t)} ${at(curve.y, t)}`;
  }
  return path;
}

function at(swings: Swing[], t: number): string {
  let sum = 0;
  for (const s of swings) {
    sum += Math.sin(2 * Math.PI * (s.frequency * t + s.phase)) * Math.exp(-s.damping * 2 * t);
  }
  return ((size * sum) / swings.length).toFixed(2);
}
