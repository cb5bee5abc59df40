/**
 * The first example of every talk on contexts.
 *
 *     npm run example -- two-goroutines
 *
 * Both work until their context ends. One is cancelled by hand, the other runs into its deadline, and a WaitGroup waits for both.
 */
import { context, type Context, sync, time } from "headgate";

async function work(ctx: Context, name: string): Promise<void> {
  for (let step = 1; ; step++) {
    try {
      await time.sleep(20, ctx);
    } catch {
      console.log(`${name} stops: ${ctx.err()?.message} (${String(context.cause(ctx))})`);
      return;
    }
    console.log(`${name}: step ${step}`);
  }
}

const [cancelled, cancel] = context.withCancelCause(context.background());
const [limited, release] = context.withTimeout(context.background(), 90);

const wg = new sync.WaitGroup();
wg.go(() => work(cancelled, "first"));
wg.go(() => work(limited, "second"));

await time.sleep(50);
cancel(new Error("no longer wanted"));
await wg.wait();
release();
console.log("both have stopped");
