import { highWaters } from "./tide";

declare const EDITION: string;

const table = document.querySelector("table")!;
table.createCaption().textContent = `Computed, not measured: ${EDITION}`;

const time = new Intl.DateTimeFormat(undefined, { weekday: "long", hour: "2-digit", minute: "2-digit" });
for (const at of highWaters(new Date(), 6)) {
  table.insertRow().insertCell().textContent = time.format(at);
}
