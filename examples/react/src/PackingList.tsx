import { AddItem } from "./AddItem";
import { Card } from "./Card";
import { ItemRow } from "./ItemRow";
import { usePacking } from "./usePacking";
import styles from "./PackingList.module.css";

export function PackingList({ days, travellers }: { days: number; travellers: number }) {
  const { items, add, toggle, remove } = usePacking();
  const packed = items.filter((item) => item.packed).length;

  return (
    <Card title="Packing list" file="ItemRow.tsx" hint="Change a word or a style: what you ticked, added and typed is still there.">
      <p className={styles.status} role="status">
        {packed === items.length ? "Ready to go." : `${packed} of ${items.length} packed`}
      </p>
      <progress className={styles.progress} max={items.length || 1} value={packed} aria-label="Packed" />
      <ul className={styles.list}>
        {items.map((item) => (
          <ItemRow
            key={item.id}
            name={item.name}
            pieces={Math.ceil(item.perDay * days) * travellers}
            packed={item.packed}
            onToggle={() => toggle(item.id)}
            onRemove={() => remove(item.id)}
          />
        ))}
      </ul>
      <AddItem onAdd={add} />
    </Card>
  );
}
