/** A hand-over from one task to another. */
// #region program
import { Chan, go } from "headgate";

export async function handOver(log: (line: string) => void): Promise<void> {
  const messages = new Chan<string>();
  go(async function pull() {
    for (const message of ["m1", "m2", "m3"]) await messages.send(message);
    messages.close(); // no more is coming
  });
  for await (const message of messages) log(`${message} is handled`); // ends when it is closed and empty
}
// #endregion
