// How a fish looks and moves. Change a number, save, and look: the school stays.

export interface Fish {
  x: number; // of the pond, from 0 to 1
  y: number;
  heading: number; // in radians
  beat: number; // of the tail
}

const speed = 0.0012;
const length = 26;
const curiosity = 0.05;

export function spawn(n: number): Fish[] {
  return Array.from({ length: n }, () => ({
    x: Math.random(),
    y: Math.random(),
    heading: Math.random() * 2 * Math.PI,
    beat: Math.random() * 10,
  }));
}

export function swim(f: Fish, width: number, height: number): void {
  f.heading += (Math.random() - 0.5) * 2 * curiosity;
  f.x = (f.x + (Math.cos(f.heading) * speed * height) / Math.max(width, 1) + 1) % 1;
  f.y = (f.y + Math.sin(f.heading) * speed + 1) % 1;
  f.beat += 0.25;
}

export function draw(pen: CanvasRenderingContext2D, f: Fish): void {
  pen.save();
  pen.translate(f.x * pen.canvas.width, f.y * pen.canvas.height);
  pen.rotate(f.heading);
  pen.fillStyle = getComputedStyle(pen.canvas).color;
  pen.beginPath();
  pen.ellipse(0, 0, length / 2, length / 5, 0, 0, 2 * Math.PI);
  pen.fill();
  const tail = Math.sin(f.beat) * length * 0.2;
  pen.beginPath();
  pen.moveTo(-length * 0.4, 0);
  pen.lineTo(-length * 0.8, tail - length * 0.18);
  pen.lineTo(-length * 0.8, tail + length * 0.18);
  pen.fill();
  pen.restore();
}
