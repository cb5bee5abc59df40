/** A task that does not know that it should stop. */
// #region program
import { type Context, time } from "headgate";

export async function work(ctx: Context, log: (line: string) => void): Promise<void> {
  for (const message of ["m1", "m2", "m3"]) {
    if (ctx.err() !== undefined) throw ctx.err(); // it has ended: begin nothing
    await time.sleep(20); // the work takes 20 ms
    log(`${message} is handled`);
  }
}
// #endregion
