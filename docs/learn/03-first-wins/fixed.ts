/** The same task with `select`. */
// #region program
import { Chan, type Context, select } from "headgate";

export async function handle(ctx: Context, messages: Chan<string>, log: (line: string) => void): Promise<void> {
  for (;;) {
    const first = await select({ messages, stopped: ctx.done() });
    if (first.case === "stopped") return;
    if (!first.ok) return; // closed and empty
    log(`${first.value} is handled`);
  }
}
// #endregion
