import styles from "./ItemRow.module.css";

interface Props {
  name: string;
  pieces: number;
  packed: boolean;
  onToggle: () => void;
  onRemove: () => void;
}

export function ItemRow({ name, pieces, packed, onToggle, onRemove }: Props) {
  return (
    <li className={styles.row}>
      <label>
        <input type="checkbox" checked={packed} onChange={onToggle} />
        <span>{name}</span>
      </label>
      {pieces > 1 && <small>× {pieces}</small>}
      <button type="button" aria-label={`Remove ${name}`} onClick={onRemove}>
        ×
      </button>
    </li>
  );
}
