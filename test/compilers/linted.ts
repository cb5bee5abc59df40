import { context, time } from "headgate";
import { background } from "headgate/context";
import { bubble } from "headgate/testing";
import { worker } from "headgate/worker";
import { conformance } from "headgate/worker/conformance";
import { redisStream } from "headgate/worker/redis";

export async function linted(): Promise<unknown[]> {
  const [ctx, cancel] = context.withTimeout(background(), 1_000);
  using _ = cancel;
  context.afterFunc(ctx, async () => {
    await time.sleep(1);
  });
  time.afterFunc(1, async () => {
    await time.sleep(1, ctx);
  });
  await time.sleep(1, ctx);
  return [bubble, worker, conformance, redisStream];
}
