import { useState } from "react";
import type { FormEvent } from "react";

export function AddItem({ onAdd }: { onAdd: (name: string) => void }) {
  const [name, setName] = useState("");

  function submit(event: FormEvent) {
    event.preventDefault();
    if (name.trim() === "") return;
    onAdd(name.trim());
    setName("");
  }

  return (
    <form onSubmit={submit}>
      <input value={name} onChange={(e) => setName(e.target.value)} placeholder="Something else" aria-label="Something else" />
      <button type="submit">Add</button>
    </form>
  );
}
