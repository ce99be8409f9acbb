import { memo, useEffect, useReducer, useState } from "react";

interface CounterProps {
  title: string;
  start?: number;
  onChange?: (value: number) => void;
}

function useCounter(start: number) {
  const [value, setValue] = useState(start);
  const [running, setRunning] = useState(false);
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => setValue((v) => v + 1), 1000);
    return () => clearInterval(timer);
  }, [running]);
  return { value, setValue, running, setRunning };
}

export const Counter = memo(({ title, start = 0, onChange }: CounterProps) => {
  const { value, setValue, running, setRunning } = useCounter(start);
  const [log, add] = useReducer((all: string[], line: string) => [...all, line], []);
  useEffect(() => {
    onChange?.(value);
    if (value % 10 === 0) add(`${title} has reached ${value}`);
  }, [value]);
  return (
    <section className={running ? "counter running" : "counter"}>
      <h2>{title}</h2>
      <output>{value}</output>
      <button type="button" onClick={() => setValue(value + 1)} disabled={running}>
        One more
      </button>
      <button type="button" onClick={() => setRunning(!running)}>
        {running ? "Stop" : "Start"}
      </button>
      <ul>{log.map((line, i) => <li key={i}>{line}</li>)}</ul>
    </section>
  );
});
