/** The time of day, as in 09:05:07. */
export function clock(now: Date): string {
  return now.toLocaleTimeString("en-GB");
}
