/** The rule of chapter 1: a task that is stopped has ended at once. */
import { context, type Context, time } from "headgate";
import type { Bubble } from "headgate/testing";

export const endsAtOnce =
  (work: (ctx: Context, log: (line: string) => void) => Promise<void>) =>
  async (t: Bubble): Promise<void> => {
    let stopped = Infinity;
    const off = context.afterFunc(t.ctx, function stop() {
      stopped = time.now();
    });
    await work(t.ctx, () => {}).catch((error: unknown) => {
      if (!(error instanceof context.Canceled)) throw error;
    });
    off();
    const late = time.now() - stopped;
    if (late > 0) throw new Error(`it went on for ${late} ms after the stop`);
  };
