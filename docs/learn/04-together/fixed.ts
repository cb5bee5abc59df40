/** Two tasks in a group that both end with it. */
// #region program
import { Chan, type Context, errgroup, time } from "headgate";

export async function run(ctx: Context, log: (line: string) => void): Promise<void> {
  await errgroup.run(ctx, (group) => {
    const messages = new Chan<string>();
    void group.go(async function pull(ctx) {
      for (const message of ["m1", "m2", "m3"]) {
        await time.sleep(10, ctx);
        await messages.send(message, ctx);
      }
      messages.close();
    });
    void group.go(async function handle(ctx) {
      for await (const message of messages.values(ctx)) log(`${message} is handled`);
    });
  });
}
// #endregion
