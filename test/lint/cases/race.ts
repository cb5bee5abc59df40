import { type Chan, context, type Context, select, type sync, time } from "headgate";

export async function races(ctx: Context, ch: Chan<number>, mu: sync.Mutex, other: Promise<string>) {
  await Promise.race([ch.recv(ctx), other]); // ! race takes
  await Promise.any([ch.send(1, ctx), other]); // ! race takes
  await Promise.race([mu.lock(ctx).then(() => "locked"), other]); // ! race takes
  await Promise.race([select({ ch }, ctx), time.sleep(5, ctx)]); // ! race takes
  await Promise.race([other, time.sleep(5), ctx.done().recv()]); // ! race waits, race waits, ctx-not-passed missing
  const received = ch.recv(ctx);
  await Promise.race([received, other]); // ! race takes
  await Promise.race([time.sleep(5, ctx), context.wait(other, ctx)]);
  await Promise.all([ch.recv(ctx), other]);
  await Promise.race([other, fetch("http://localhost")]);
  await select({ ch, late: time.after(5) }, ctx);
}
