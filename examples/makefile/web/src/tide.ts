/** Half a lunar day, in ms: the moon comes back to its place 50 minutes later each day. */
const period = 44_714_000;

/** A high water of the past. */
const known = Date.UTC(2026, 0, 3, 11, 40);

/** The next `n` high waters after `from`. */
export function highWaters(from: Date, n: number): Date[] {
  const first = Math.ceil((from.getTime() - known) / period);
  return Array.from({ length: n }, (_, i) => new Date(known + (first + i) * period));
}
