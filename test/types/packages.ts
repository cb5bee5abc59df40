/**
 * What the types of errgroup, sync, semaphore, singleflight, time, retry and signal promise: checked by the compiler,
 * never run.
 */
import {
  type CancelFunc,
  type Context,
  context,
  errgroup,
  type Recv,
  type RecvChan,
  retry,
  select,
  semaphore,
  singleflight,
  sync,
  time,
} from "headgate";
import { notifyContext, shutdown } from "headgate/signal";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Expect<T extends true> = T;

interface User {
  name: string;
}

export type Returned = [
  Expect<Equal<ReturnType<errgroup.Group["go"]>, Promise<void>>>,
  Expect<Equal<ReturnType<errgroup.Group["tryGo"]>, boolean>>,
  Expect<Equal<ReturnType<errgroup.Group["wait"]>, Promise<void>>>,
  Expect<Equal<Parameters<Parameters<errgroup.Group["go"]>[0]>, [ctx: Context]>>,
  Expect<Equal<ReturnType<typeof errgroup.withContext>, readonly [group: errgroup.Group, ctx: Context]>>,
  Expect<Equal<ReturnType<sync.Mutex["lock"]>, Promise<Disposable>>>,
  Expect<Equal<ReturnType<sync.Mutex["tryLock"]>, boolean>>,
  Expect<Equal<ReturnType<sync.RWMutex["lock"]>, Promise<Disposable>>>,
  Expect<Equal<ReturnType<sync.RWMutex["rLock"]>, Promise<Disposable>>>,
  Expect<Equal<ReturnType<sync.WaitGroup["wait"]>, Promise<void>>>,
  Expect<Equal<ReturnType<semaphore.Weighted["acquire"]>, Promise<Disposable>>>,
  Expect<Equal<ReturnType<typeof time.sleep>, Promise<void>>>,
  Expect<Equal<ReturnType<typeof time.after>, RecvChan<Date>>>,
  Expect<Equal<ReturnType<typeof time.tick>, RecvChan<Date>>>,
  Expect<Equal<time.Timer["c"], RecvChan<Date>>>,
  Expect<Equal<time.Ticker["c"], RecvChan<Date>>>,
  Expect<Equal<ReturnType<time.Timer["stop"]>, boolean>>,
  Expect<Equal<ReturnType<time.Ticker["reset"]>, boolean>>,
  Expect<Equal<ReturnType<typeof time.now>, number>>,
  Expect<Equal<ReturnType<typeof retry.backoff>, number>>,
  Expect<Equal<ReturnType<typeof notifyContext>, readonly [ctx: Context, stop: CancelFunc]>>,
  Expect<Equal<ReturnType<typeof shutdown>, readonly [stop: Context, abort: Context, release: CancelFunc]>>,
];

/** A task gets a Context and may return whatever it likes; it may also do without. */
export async function tasks(group: errgroup.Group) {
  await group.go((ctx) => ctx.done().recv());
  await group.go(() => 5);
  group.tryGo(async (ctx) => time.sleep(5, ctx));
  // @ts-expect-error: a task gets nothing but a context
  await group.go((ctx: Context, id: number) => id);
  // @ts-expect-error: a task gets a Context, no AbortSignal
  await group.go((signal: AbortSignal) => signal.aborted);
  // @ts-expect-error: a promise is no task, for it has begun already
  await group.go(Promise.resolve());
  // @ts-expect-error: wait takes no context
  await group.wait(context.background());
  // @ts-expect-error: go takes no context
  await group.go(() => {}, context.background());
}

/** A scope has the type of its body, awaited. */
export async function scopes(parent: Context, user: User) {
  const plain = await errgroup.run(parent, () => user);
  const awaited = await errgroup.run(parent, async (group, ctx) => {
    void group.go(() => ctx.err());
    return [user.name, 5] as const;
  });
  const nothing = await errgroup.run(parent, () => {});
  // @ts-expect-error: a scope has a parent
  await errgroup.run(() => 5);
  return [plain, awaited, nothing] as const;
}
export type Scope = Expect<Equal<Awaited<ReturnType<typeof scopes>>, readonly [User, readonly [string, 5], void]>>;

/** Guards are for using, on their own or by hand. */
export async function locks(mu: sync.Mutex, rw: sync.RWMutex, ctx: Context) {
  using _ = await mu.lock(ctx);
  using __ = await rw.rLock();
  (await rw.lock())[Symbol.dispose]();
  // @ts-expect-error: the lock is held when the promise has resolved, not before
  using ___ = mu.lock();
  const cond = new sync.Cond(mu);
  await cond.wait(ctx);
  // @ts-expect-error: a condition belongs to a Mutex
  new sync.Cond(rw);
  const load = sync.once(async () => 5);
  return load;
}
export type Loaded = Expect<Equal<Awaited<ReturnType<typeof locks>>, () => Promise<number>>>;

/** A weight is a number and comes first. */
export async function weights(sem: semaphore.Weighted, ctx: Context) {
  await sem.acquire();
  await sem.acquire(2, ctx);
  await sem.acquire(undefined, ctx);
  // @ts-expect-error: a context comes last
  await sem.acquire(ctx);
  // @ts-expect-error: a semaphore has a size
  new semaphore.Weighted();
}

/** A group of calls knows the type of its keys and of its values. */
export async function calls(group: singleflight.Group<number, User>, user: User, ctx: Context) {
  const done = await group.do(7, async () => user, ctx);
  const [received] = await group.doChan(7, () => user).recv();
  group.forget(7);
  // @ts-expect-error: the key is a number
  await group.do("7", () => user);
  // @ts-expect-error: the value is a User
  await group.do(7, () => "ada");
  // @ts-expect-error: the value is a User
  group.doChan(7, async () => 5);
  // @ts-expect-error: there may be no value, for there may be an error
  const name: string = received!.value.name;
  return [done, received, name] as const;
}
export type Call = [
  Expect<Equal<Awaited<ReturnType<typeof calls>>[0], singleflight.Result<User>>>,
  Expect<Equal<Awaited<ReturnType<typeof calls>>[1], singleflight.ChanResult<User> | undefined>>,
  Expect<Equal<singleflight.Result<User>["value"], User>>,
  Expect<Equal<singleflight.ChanResult<User>["value"], User | undefined>>,
  Expect<Equal<singleflight.ChanResult<User>["shared"], boolean>>,
];

/** A timer channel gives Dates, in a select as well; nobody sends on it or closes it. */
export async function timers(ctx: Context) {
  const recv: Recv<Date> = await time.after(5).recv(ctx);
  const got = await select({ idle: time.after(5), done: ctx.done() });
  if (got.case === "idle" && got.ok) got.value.getTime();
  // @ts-expect-error: only the timer sends
  time.tick(5).trySend(new Date());
  // @ts-expect-error: nor is there anything to close
  new time.Timer(5).c.close();
  // @ts-expect-error: durations are numbers
  await time.sleep("5");
  // @ts-expect-error: a context comes last
  await time.sleep(ctx);
  // @ts-expect-error: the function of a timer gets nothing
  time.afterFunc(5, (at: Date) => at.getTime());
  return recv;
}

/** A retry has the type of what it tries; every part of the policy is optional. */
export async function tries(ctx: Context, user: User) {
  const plain = await retry.run(ctx, (ctx, attempt) => (attempt > 1 ? user : Promise.reject(ctx.err())));
  const number = await retry.run(ctx, async () => 5, { tries: 3 });
  const policies: retry.Policy[] = [{}, { tries: 2 }, { base: 5 }, { max: 5 }, { timeout: 5 }];
  policies.push({ tries: Infinity, base: 1, max: 2, timeout: 3 });
  // @ts-expect-error: there is no such thing in a policy
  policies.push({ retries: 3 });
  // @ts-expect-error: a policy is read, not written
  policies[0]!.tries = 3;
  // @ts-expect-error: work done for a caller takes the context first
  await retry.run(async () => 5, ctx);
  const permanent: Error = new retry.Permanent("gone", { cause: user });
  return [plain, number, permanent] as const;
}
export type Tried = Expect<Equal<Awaited<ReturnType<typeof tries>>, readonly [User, number, Error]>>;

/** Signals are named by strings, and the contexts are ordinary ones. */
export function signals(parent: Context) {
  const [ctx, stop] = notifyContext(parent, "SIGTERM", "SIGHUP");
  using _ = stop;
  // @ts-expect-error: signals have names
  notifyContext(parent, 15);
  // @ts-expect-error: there is a parent
  shutdown("SIGTERM");
  return ctx;
}
