/** Two tasks that work until they are stopped: `talk.go` with headgate. */
// #region program
import { context, type Context, sync, time } from "headgate";

async function work(ctx: Context, name: string): Promise<void> {
  for (let step = 1; ; step++) {
    try {
      await time.sleep(20, ctx);
    } catch {
      console.log(`${name} stops: ${ctx.err()?.message}`);
      return;
    }
    console.log(`${name}: step ${step}`);
  }
}

async function main(): Promise<void> {
  const [first, cancel] = context.withCancel(context.background());
  const [second, release] = context.withTimeout(context.background(), 90);

  const wg = new sync.WaitGroup();
  wg.go(() => work(first, "first"));
  wg.go(() => work(second, "second"));

  await time.sleep(50);
  cancel();
  await wg.wait();
  release();
  console.log("both have stopped");
}

await main();
// #endregion
