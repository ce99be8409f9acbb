import { useEffect, useState } from "react";
import { fetchPoll, vote, type Poll as PollData } from "./api";

/** The poll of the Go program. Edit this, and your choice stays; edit main.go, and the new program's poll is here. */
export function Poll() {
  const [poll, setPoll] = useState<PollData | null>(null);
  const [choice, setChoice] = useState("");
  const [problem, setProblem] = useState("");

  useEffect(() => {
    fetchPoll().then(setPoll, (e: unknown) => setProblem(String(e)));
  }, []);

  if (problem) return <p role="alert">{problem}</p>;
  if (!poll) return <p>Asking…</p>;

  const total = poll.answers.reduce((sum, a) => sum + a.votes, 0);

  async function submit() {
    try {
      setPoll(await vote(choice));
    } catch (e) {
      setProblem(String(e));
    }
  }

  return (
    <form action={submit}>
      <h1>{poll.question}</h1>
      {poll.answers.map(({ text, votes }) => (
        <label key={text}>
          <input type="radio" name="answer" checked={choice === text} onChange={() => setChoice(text)} />
          <span>{text}</span>
          <progress value={votes} max={Math.max(total, 1)} aria-label="Share of the votes" />
          <output>{votes}</output>
        </label>
      ))}
      <button disabled={!choice}>Vote</button>
    </form>
  );
}
