/** Solution 3: a `select` of the channel and a timer. */
import { type Chan, select, time } from "headgate";

export async function nextWithin(messages: Chan<string>, ms: number): Promise<string | undefined> {
  const first = await select({ messages, late: time.after(ms) });
  return first.case === "messages" ? first.value : undefined;
}
