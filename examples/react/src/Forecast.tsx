import { useState } from "react";
import styles from "./Forecast.module.css";

const signs = { Sun: "☀", Clouds: "☁", Rain: "☂" };

const week = [
  { day: "Mon", sky: "Sun", degrees: 19 },
  { day: "Tue", sky: "Sun", degrees: 22 },
  { day: "Wed", sky: "Clouds", degrees: 17 },
  { day: "Thu", sky: "Rain", degrees: 13 },
  { day: "Fri", sky: "Clouds", degrees: 16 },
  { day: "Sat", sky: "Sun", degrees: 21 },
  { day: "Sun", sky: "Sun", degrees: 24 },
] as const;

export function Forecast({ days }: { days: number }) {
  const [signal, setSignal] = useState(true);
  if (!signal) throw new Error("No signal up here.");

  return (
    <>
      <ol className={styles.days}>
        {week.slice(0, days).map(({ day, sky, degrees }) => (
          <li key={day} data-sky={sky} style={{ height: `${degrees * 4}%` }}>
            <b>{degrees}°</b>
            <span role="img" aria-label={sky}>
              {signs[sky]}
            </span>
            <i>{day}</i>
          </li>
        ))}
      </ol>
      <button type="button" onClick={() => setSignal(false)}>
        Walk into the valley
      </button>
    </>
  );
}
