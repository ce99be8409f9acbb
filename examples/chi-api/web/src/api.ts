/** What main.go answers. */
export interface Poll {
  question: string;
  answers: { text: string; votes: number }[];
}

export const fetchPoll = (): Promise<Poll> => ask("/api/poll");

export const vote = (answer: string): Promise<Poll> => ask("/api/votes", { method: "POST", body: JSON.stringify({ answer }) });

async function ask(path: string, init?: RequestInit): Promise<Poll> {
  const response = await fetch(path, init);
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
  return (await response.json()) as Poll;
}
