import { useState } from "react";
import { Card } from "./Card";
import { Stamp } from "./Stamp";
import styles from "./Postcard.module.css";

export default function Postcard({ days }: { days: number }) {
  const [to, setTo] = useState("Grandma");
  const [text, setText] = useState("The sun is out, the socks are dry and the map was right.");

  return (
    <Card title="Postcard" file="Stamp.tsx" hint="Paint another sun: the page came later than the rest, and what you wrote stays.">
      <article className={styles.card} aria-label="The card">
        <p className={styles.text}>{text}</p>
        <div className={styles.address}>
          <Stamp />
          <p>{to}</p>
          <p>Home, {days} {days === 1 ? "day" : "days"} from here</p>
        </div>
      </article>
      <label className={styles.field}>
        To
        <input value={to} maxLength={24} onChange={(e) => setTo(e.target.value)} />
      </label>
      <label className={styles.field}>
        Message
        <textarea value={text} rows={3} maxLength={140} onChange={(e) => setText(e.target.value)} />
      </label>
    </Card>
  );
}
