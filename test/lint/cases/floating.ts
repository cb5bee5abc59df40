import { type Chan, type Context, errgroup, select, type semaphore, type sync, time } from "headgate";
import { worker, memoryBroker } from "headgate/worker";

export function floats(ctx: Context, ch: Chan<number>, isOn: boolean) {
  ch.send(1, ctx); // ! floating floating
  ch?.send(1, ctx); // ! floating floating
  isOn && ch.send(1, ctx); // ! floating floating
  isOn ? ch.send(1, ctx) : time.sleep(5, ctx); // ! floating floating, floating floating
  select({ ch }, ctx); // ! floating floating
  errgroup.run(ctx, () => {}); // ! floating floating
  worker(ctx, memoryBroker(), () => {}); // ! floating floating
  void ch.send(1, ctx);
  ch.send(1, ctx).catch(() => {});
  ch.trySend(1);
  ch.close();
  return ch.send(1, ctx);
}

export async function awaits(ctx: Context, ch: Chan<number>, wg: sync.WaitGroup) {
  await ch.send(1, ctx);
  const sending = ch.send(1, ctx);
  await sending;
  wg.wait(); // ! floating floating
  wg.go(() => ch.send(1, ctx));
}

export async function locks(ctx: Context, mu: sync.Mutex, memory: semaphore.Weighted) {
  mu.lock(ctx); // ! floating lock
  void mu.lock(ctx); // ! floating lock
  void memory.acquire(1, ctx); // ! floating lock
  using _ = await mu.lock(ctx);
}

export async function groups(ctx: Context) {
  const [limited] = errgroup.withContext(ctx);
  limited.setLimit(3);
  void limited.go((ctx) => time.sleep(1, ctx)); // ! floating limit
  limited.go((ctx) => time.sleep(1, ctx)); // ! floating limit
  await limited.go((ctx) => time.sleep(1, ctx));
  limited.wait(); // ! floating floating
  const free = new errgroup.Group();
  void free.go(() => time.sleep(1, ctx));
  free.go(() => time.sleep(1, ctx));
  await free.wait();
}

export async function eachOf(ctx: Context, ch: Chan<number>, items: number[]) {
  items.map((item) => ch.send(item, ctx)); // ! floating floating
  items.forEach((item) => ch.send(item, ctx)); // ! floating floating
  items.forEach((item) => void ch.send(item, ctx));
  void items.map((item) => ch.send(item, ctx));
  items.forEach((item) => ch.trySend(item));
  await Promise.all(items.map((item) => ch.send(item, ctx)));
  const [limited] = errgroup.withContext(ctx);
  limited.setLimit(3);
  items.forEach((item) => void limited.go((ctx) => time.sleep(item, ctx))); // ! floating limit
  await limited.wait();
}
