/**
 * Exercise 3: the next message, or undefined if none comes within `ms`. This one loses a message that comes late.
 *
 * `time.after(ms)` is a channel from which one value comes after `ms`.
 */
import { type Chan, time } from "headgate";

export async function nextWithin(messages: Chan<string>, ms: number): Promise<string | undefined> {
  const late = time.sleep(ms).then(() => undefined);
  const next = messages.recv().then(([message]) => message);
  return Promise.race([next, late]);
}
