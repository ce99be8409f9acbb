import { useId } from "react";
import type { ReactNode } from "react";
import styles from "./Card.module.css";

interface Props {
  title: string;
  /** A file in src that is worth an edit, and what then happens. */
  file: string;
  hint: string;
  children: ReactNode;
}

export function Card({ title, file, hint, children }: Props) {
  const id = useId();
  return (
    <section className={styles.card} aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {children}
      <p className={styles.hint}>
        <code>src/{file}</code> {hint}
      </p>
    </section>
  );
}
