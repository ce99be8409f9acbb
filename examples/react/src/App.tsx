import { useState } from "react";
import { AddItem } from "./AddItem";
import { ItemRow } from "./ItemRow";
import { usePacking } from "./usePacking";

export function App() {
  const { items, add, toggle, remove } = usePacking();
  const [days, setDays] = useState(3);
  const packed = items.filter((item) => item.packed).length;

  return (
    <main>
      <header>
        <img src="/bag.svg" alt="" width="48" height="48" />
        <h1>Packing list</h1>
        <p aria-live="polite">{packed === items.length ? "Ready to go." : `${packed} of ${items.length} packed`}</p>
      </header>
      <progress max={items.length} value={packed} aria-label="Packed" />
      <label className="days">
        Days away
        <input type="range" min="1" max="14" value={days} onChange={(e) => setDays(e.target.valueAsNumber)} />
        <output>{days}</output>
      </label>
      <ul>
        {items.map((item) => (
          <ItemRow
            key={item.id}
            name={item.name}
            pieces={Math.ceil(item.perDay * days)}
            packed={item.packed}
            onToggle={() => toggle(item.id)}
            onRemove={() => remove(item.id)}
          />
        ))}
      </ul>
      <AddItem onAdd={add} />
    </main>
  );
}
