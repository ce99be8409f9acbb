import { useId } from "react";
import styles from "./Stepper.module.css";

interface Props {
  label: string;
  value: number;
  max: number;
  onChange: (value: number) => void;
}

export function Stepper({ label, value, max, onChange }: Props) {
  const id = useId();
  return (
    <div className={styles.stepper} role="group" aria-labelledby={id}>
      <span id={id}>{label}</span>
      <button type="button" aria-label="Less" disabled={value <= 1} onClick={() => onChange(value - 1)}>
        −
      </button>
      <output>{value}</output>
      <button type="button" aria-label="More" disabled={value >= max} onClick={() => onChange(value + 1)}>
        +
      </button>
    </div>
  );
}
