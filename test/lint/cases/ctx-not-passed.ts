import {
  Chan,
  context,
  type Context,
  errgroup,
  go,
  retry,
  select,
  semaphore,
  sendAll,
  sending,
  singleflight,
  sync,
  time,
} from "headgate";
import type { RecvChan, SendChan } from "headgate";
import { lock } from "./elsewhere.ts";

export async function channels(
  ctx: Context,
  ch: Chan<number>,
  from: RecvChan<number>,
  to: SendChan<number> | undefined,
) {
  await ch.recv(); // ! ctx-not-passed missing
  await ch.recv(ctx);
  await ch.send(1); // ! ctx-not-passed missing
  await ch.send(1, ctx);
  await from.recv(); // ! ctx-not-passed missing
  await to?.send(1); // ! ctx-not-passed missing
  for await (const value of ch) void value; // ! ctx-not-passed loop
  for await (const value of ch.values()) void value; // ! ctx-not-passed missing
  for await (const value of ch.values(ctx)) void value;
  await sendAll(ch, [1, 2]); // ! ctx-not-passed missing
  await sendAll(ch, [1, 2], ctx);
  await (ch as Chan<number>).recv(); // ! ctx-not-passed missing
  ch.tryRecv();
  ch.close();
}

export async function selects(ctx: Context, ch: Chan<number>, cases: { ch: Chan<number> }) {
  await select({ ch }); // ! ctx-not-passed missing
  await select({ ch }, ctx);
  await select({ ch, late: time.after(5) }); // ! ctx-not-passed missing
  await select([ch, sending(ch, 1)]); // ! ctx-not-passed missing
  await select({ ch, done: ctx.done() });
  await select([ch, ctx.done()]);
  const done = ctx.done();
  await select({ ch, done });
  await select({ ...cases });
  await select(cases);
}

export async function locks(
  ctx: Context,
  mu: sync.Mutex,
  rw: sync.RWMutex,
  cond: sync.Cond,
  memory: semaphore.Weighted,
) {
  using a = await mu.lock(); // ! ctx-not-passed missing
  using b = await rw.rLock(); // ! ctx-not-passed missing
  using c = await memory.acquire(3); // ! ctx-not-passed missing
  using d = await memory.acquire(3, ctx);
  await cond.wait(); // ! ctx-not-passed missing
  await cond.wait(ctx);
  return [a, b, c, d];
}

export async function others(ctx: Context, flights: singleflight.Group<string, string>) {
  await time.sleep(5); // ! ctx-not-passed missing
  await time.after(5).recv(); // ! ctx-not-passed missing
  await new time.Timer(5).c.recv(); // ! ctx-not-passed missing
  await context.wait(fetch("http://localhost")); // ! ctx-not-passed missing
  await flights.do("key", () => fetch("http://localhost").then(String)); // ! ctx-not-passed missing
  await flights.doChan("key", () => "").recv(); // ! ctx-not-passed missing
  await lock();
}

export async function waitsForTheEnd(ctx: Context, ch: Chan<number>) {
  for await (const value of ctx.done()) void value;
  await ctx.done().recv();
}

export async function leftAlone(ctx: Context, ch: Chan<number>, wg: sync.WaitGroup, args: [number]) {
  // It waits until no task runs any more.
  await wg.wait();
  await ch.send(...args);
  try {
    await ch.send(1, ctx);
  } finally {
    await ch.send(2);
  }
  // A function of its own in `finally` is code like any other.
  try {
    await ch.send(1, ctx);
  } finally {
    go(async () => {
      await ch.send(3); // ! ctx-not-passed missing
    });
  }
}

export async function withoutOne(_ctx: Context, _: Context, ch: Chan<number>) {
  await ch.recv();
  const ctx = context.background();
  await ch.recv();
  const free = context.withoutCancel(ctx);
  await ch.recv();
  return free;
}

export async function derived(parent: Context, ch: Chan<number>) {
  const [ctx, cancel] = context.withTimeout(parent, 5);
  using _ = cancel;
  await ch.recv(); // ! ctx-not-passed missing
  await ch.recv(ctx);
}

export async function made(ch: Chan<number>) {
  await ch.recv();
  const [ctx, cancel] = context.withTimeout(context.background(), 5);
  try {
    await ch.recv(); // ! ctx-not-passed missing
    await ch.recv(ctx);
  } finally {
    cancel();
  }
}

/** Code that decides itself when a context ends waits for what it has cancelled, and such a wait does not end with it. */
export async function controls(ch: Chan<number>, done: Chan<never>) {
  const [ctx, cancel] = context.withCancel(context.background());
  go(async () => void (await ch.recv(ctx)));
  await time.sleep(50);
  cancel();
  await done.recv();
}

export async function callbacks(ch: Chan<number>) {
  await errgroup.run(context.background(), (group, whole) => {
    void group.go(async (mine) => {
      await ch.recv(); // ! ctx-not-passed missing
      await ch.recv(mine);
    });
    void group.go(() => ch.send(1)); // ! ctx-not-passed missing
    return whole;
  });
  await retry.run(context.background(), (attempt) => ch.send(1)); // ! ctx-not-passed missing
}

export class Server {
  private readonly jobs = new Chan<number>();
  readonly #results: Chan<number>;
  constructor(private readonly mutex: sync.Mutex) {
    this.#results = new Chan();
  }
  async run(ctx: Context) {
    await this.jobs.recv(); // ! ctx-not-passed missing
    await this.#results.recv(); // ! ctx-not-passed missing
    using _ = await this.mutex.lock(); // ! ctx-not-passed missing
    await this.jobs.recv(ctx);
  }
  async stop() {
    await this.jobs.recv();
  }
}

/** What waits where a context has ended must not end with it. */
export async function ended(ctx: Context, ch: Chan<number>, isOn: boolean) {
  if (ctx.err()) {
    await time.sleep(5);
    for await (const value of ch) void value;
    go(() => ch.recv());
    return;
  }
  await time.sleep(5); // ! ctx-not-passed missing
  if (ctx.err() !== undefined && isOn) await time.sleep(5);
  if (ctx.err() !== undefined || isOn) await time.sleep(5); // ! ctx-not-passed missing
  if (!ctx.err()) await time.sleep(5); // ! ctx-not-passed missing
  else await time.sleep(5);
  if (ctx.err() === undefined || isOn) await time.sleep(5); // ! ctx-not-passed missing
  else await time.sleep(5);
  if (ctx.signal.aborted) await time.sleep(5);
  if (ctx.err() instanceof Error) await time.sleep(5);
  if (ctx.err() === context.Canceled) await time.sleep(5);
  const error = ctx.err();
  if (error) await time.sleep(5);
  if (error == null) await time.sleep(5); // ! ctx-not-passed missing
  await (ctx.err() ? time.sleep(5) : time.sleep(6)); // ! ctx-not-passed missing
  ctx.err() && (await time.sleep(5));
  ctx.err() || (await time.sleep(5)); // ! ctx-not-passed missing
  if (isOn) {
    await ctx.done().recv();
    await time.sleep(5);
    const [limit, cancel] = context.withTimeout(context.background(), 5); // ! background background
    using _ = cancel;
    await time.sleep(5); // ! ctx-not-passed missing
    await time.sleep(5, limit);
    await errgroup.run(context.background(), async (_, inner) => time.sleep(5)); // ! background background, ctx-not-passed missing
  }
  switch (isOn) {
    case true:
      if (ctx.err() === undefined) break;
      await time.sleep(5);
  }
  await time.sleep(5); // ! ctx-not-passed missing
  if (!ctx.err()) return;
  await time.sleep(5);
}

export async function endedAfterALoop(ctx: Context, ch: Chan<number>) {
  while (!ctx.err()) {
    await ch.recv(); // ! ctx-not-passed missing
  }
  await time.sleep(5);
}

export async function leftALoop(ctx: Context, ch: Chan<number>) {
  while (!ctx.err()) {
    if ((await ch.recv(ctx))[0] === 1) break;
  }
  await time.sleep(5); // ! ctx-not-passed missing
}

export const byDefault = async (ch: Chan<number>, ctx: Context = context.background()) => {
  await ch.recv(); // ! ctx-not-passed missing
  await ch.recv(ctx);
};
