/** A task that waits for a message or its stop, with `Promise.race`. */
// #region program
import { Chan, type Context } from "headgate";

export async function handle(ctx: Context, messages: Chan<string>, log: (line: string) => void): Promise<void> {
  for (;;) {
    const stopped = ctx
      .done()
      .recv()
      .then(() => "stopped" as const);
    const first = await Promise.race([messages.recv(), stopped]);
    if (first === "stopped") return;
    const [message, ok] = first;
    if (!ok) return; // closed and empty
    log(`${message} is handled`);
  }
}
// #endregion
