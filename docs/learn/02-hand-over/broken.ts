/** A hand-over in one task: it waits for a receiver that comes only afterwards. */
// #region program
import { Chan } from "headgate";

export async function handOver(log: (line: string) => void): Promise<void> {
  const messages = new Chan<string>();
  await messages.send("m1"); // waits until another task receives it
  const [message] = await messages.recv();
  log(`${message} is handled`);
}
// #endregion
