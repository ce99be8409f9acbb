import { useState } from "react";
import type { FormEvent } from "react";
import styles from "./AddItem.module.css";

export function AddItem({ onAdd }: { onAdd: (name: string, perDay: number) => void }) {
  const [name, setName] = useState("");
  const [daily, setDaily] = useState(false);

  function submit(event: FormEvent) {
    event.preventDefault();
    if (name.trim() === "") return;
    onAdd(name.trim(), daily ? 1 : 0);
    setName("");
  }

  return (
    <form className={styles.form} onSubmit={submit}>
      <input value={name} onChange={(e) => setName(e.target.value)} placeholder="Something else" aria-label="Something else" />
      <label>
        <input type="checkbox" checked={daily} onChange={(e) => setDaily(e.target.checked)} />
        for each day
      </label>
      <button type="submit" className="primary">
        Add
      </button>
    </form>
  );
}
