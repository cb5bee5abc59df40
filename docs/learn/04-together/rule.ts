/** The rule of chapter 4: a group that is stopped ends. The kit fails a test whose tasks wait for each other for ever. */
import { context, type Context } from "headgate";
import type { Bubble } from "headgate/testing";

export const endsTogether =
  (run: (ctx: Context, log: (line: string) => void) => Promise<void>) =>
  async (t: Bubble): Promise<void> => {
    await run(t.ctx, () => {}).catch((error: unknown) => {
      if (!(error instanceof context.Canceled)) throw error;
    });
  };
