/**
 * Debounce: acts when nothing has changed for a while.
 */
// #region recipe
import { type Context, nil, type RecvChan, select, time } from "headgate";

export async function debounced<T>(
  ctx: Context,
  changes: RecvChan<T>,
  ms: number,
  act: (value: T) => Promise<void>,
): Promise<void> {
  let last: { readonly value: T } | undefined;
  let quiet: RecvChan<Date> = nil; // a case that is off
  for (let isOpen = true; isOpen || last !== undefined;) {
    const got = await select({ change: isOpen ? changes : nil, quiet }, ctx);
    if (got.case === "quiet") {
      await act(last!.value);
      [last, quiet] = [undefined, nil];
    } else if (got.ok) [last, quiet] = [{ value: got.value }, time.after(ms)];
    else isOpen = false;
  }
}
// #endregion

import { Chan, errgroup } from "headgate";

export const prints = ["saved b", "saved c"];

export async function demo(ctx: Context, log: (text: unknown) => void): Promise<void> {
  await errgroup.run(ctx, (group, ctx) => {
    const keys = new Chan<string>();
    void group.go(async () => {
      for (const [key, pause] of [
        ["a", 50],
        ["b", 150],
        ["c", 0],
      ] as const) {
        await keys.send(key, ctx);
        await time.sleep(pause, ctx);
      }
      keys.close();
    });
    void group.go(() => debounced(ctx, keys, 100, async (key) => log(`saved ${key}`)));
  });
}
