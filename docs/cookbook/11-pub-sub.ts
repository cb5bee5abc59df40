/**
 * Publish and subscribe: to close a channel releases all that wait for it.
 */
// #region recipe
import { Chan, type Context } from "headgate";

export function latest<T>(value: T) {
  let changed = new Chan<never>();
  return {
    set(next: T): void {
      const old = changed;
      [value, changed] = [next, new Chan<never>()];
      old.close();
    },
    /** The value now, and each later one. A slow subscriber skips to the latest. */
    async *values(ctx: Context): AsyncGenerator<T> {
      for (;;) {
        const next = changed;
        yield value;
        await next.recv(ctx);
      }
    },
  };
}
// #endregion

import { errgroup, time } from "headgate";

export const prints = ["both have seen the last value"];

export async function demo(ctx: Context, log: (text: unknown) => void): Promise<void> {
  const price = latest(1);
  await errgroup.run(ctx, (group, ctx) => {
    for (const pause of [0, 25]) {
      void group.go(async () => {
        for await (const value of price.values(ctx)) {
          if (value === 4) break;
          await time.sleep(pause, ctx);
        }
      });
    }
    void group.go(async () => {
      for (const value of [2, 3, 4]) {
        await time.sleep(10, ctx);
        price.set(value);
      }
    });
  });
  log("both have seen the last value");
}
