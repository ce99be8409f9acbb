import { useState } from "react";

export interface Item {
  id: number;
  name: string;
  /** Pieces for each traveller and day, rounded up at the end; 0 for what one is enough of. */
  perDay: number;
  packed: boolean;
}

const first: Item[] = [
  { id: 1, name: "Shirts", perDay: 1, packed: false },
  { id: 2, name: "Socks, in pairs", perDay: 1, packed: true },
  { id: 3, name: "Something to read", perDay: 0.25, packed: false },
  { id: 4, name: "Toothbrush", perDay: 0.1, packed: false },
  { id: 5, name: "A map", perDay: 0, packed: true },
];

/** The list, and what can be done with it. */
export function usePacking() {
  const [items, setItems] = useState(first);

  return {
    items,
    add: (name: string, perDay: number) => setItems((old) => [...old, { id: nextId(old), name, perDay, packed: false }]),
    toggle: (id: number) => setItems((old) => old.map((i) => (i.id === id ? { ...i, packed: !i.packed } : i))),
    remove: (id: number) => setItems((old) => old.filter((i) => i.id !== id)),
  };
}

function nextId(items: Item[]): number {
  return Math.max(0, ...items.map((i) => i.id)) + 1;
}
