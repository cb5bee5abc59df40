/** The same task, which stops while it waits. */
// #region program
import { type Context, time } from "headgate";

export async function work(ctx: Context, log: (line: string) => void): Promise<void> {
  for (const message of ["m1", "m2", "m3"]) {
    await time.sleep(20, ctx); // 20 ms, or until ctx ends
    log(`${message} is handled`);
  }
}
// #endregion
