/**
 * Every public function, constructor, method and option of the core, with each of its parameters, as something to be called with an odd
 * value in that place.
 *
 * Invariant: what a call is made on is made by its {@link World}, which can end all that waits, and says whether it works as before.
 */
import {
  Chan,
  ClosedChannel,
  type Context,
  context,
  errgroup,
  go,
  nil,
  retry,
  select,
  semaphore,
  sendAll,
  sending,
  singleflight,
  sync,
  time,
  trySelect,
} from "headgate";
import { notifyContext, shutdown } from "headgate/signal";

/** Makes an assertion; so that a message is only made where it fails. */
function must(holds: boolean, what: () => string): void {
  if (!holds) throw new Error(`does not work any more: ${what()}`);
}

interface Subject {
  /** Lets everything go on that waits for it. */
  release(): void;
  /** Throws if it does not work as before. */
  works(): Promise<void>;
}

/** What the calls with one odd value are made on. */
export class World {
  /** Whether a task waits for ever for the odd value. */
  isDeaf = false;
  private readonly subjects: Subject[] = [];
  readonly ctx: Context;
  private readonly cancel: () => void;

  constructor() {
    [this.ctx, this.cancel] = context.withCancel(context.background());
  }

  private add<T>(object: T, release: () => void, works: () => Promise<void>): T {
    this.subjects.push({ release, works });
    return object;
  }

  release(): void {
    for (const subject of this.subjects) subject.release();
    this.cancel();
  }

  async works(): Promise<void> {
    for (const subject of this.subjects) await subject.works();
    const { children } = this.ctx as unknown as { readonly children: unknown };
    must(children === null, () => "the parent has children left");
  }

  chan(capacity: number = 0): Chan<any> {
    const ch = new Chan<unknown>(capacity);
    const release = (): void => {
      while (ch.tryRecv() !== undefined);
      while (String(ch).includes("receiver")) ch.trySend("released");
    };
    return this.add(ch, release, async () => {
      must(String(ch) === `Chan(0/${capacity})`, () => String(ch));
      const received = ch.recv();
      await ch.send("value");
      must((await received)[0] === "value", () => String(ch));
    });
  }

  /** A context that never ends: what waits for it does so until something else comes. */
  mutex(isLocked: boolean): sync.Mutex {
    const mutex = new sync.Mutex();
    if (isLocked) mutex.tryLock();
    const release = (): void => {
      while (!mutex.tryLock()) mutex.unlock();
      mutex.unlock();
    };
    return this.add(mutex, release, async () => {
      must(String(mutex) === "sync.Mutex(unlocked)", () => String(mutex));
      (await mutex.lock())[Symbol.dispose]();
      must(mutex.tryLock(), () => String(mutex));
    });
  }

  rwmutex(isLocked: boolean): sync.RWMutex {
    const mutex = new sync.RWMutex();
    if (isLocked) mutex.tryLock();
    const release = (): void => {
      for (let text; (text = String(mutex)) !== "sync.RWMutex(unlocked)";) {
        if (text.includes("reader")) mutex.rUnlock();
        else mutex.unlock();
      }
    };
    return this.add(mutex, release, async () => {
      must(String(mutex) === "sync.RWMutex(unlocked)", () => String(mutex));
      (await mutex.lock())[Symbol.dispose]();
      (await mutex.rLock())[Symbol.dispose]();
      must(mutex.tryLock(), () => String(mutex));
    });
  }

  cond(): sync.Cond {
    const cond = new sync.Cond(this.mutex(true));
    return this.add(
      cond,
      () => cond.broadcast(),
      async () => must(String(cond) === "sync.Cond(0 waiting)", () => String(cond)),
    );
  }

  waitGroup(counter: number): sync.WaitGroup {
    const wg = new sync.WaitGroup();
    wg.add(counter);
    const release = (): void => {
      while (!String(wg).startsWith("sync.WaitGroup(0")) wg.done();
    };
    return this.add(wg, release, async () => {
      must(String(wg) === "sync.WaitGroup(0)", () => String(wg));
      await wg.wait();
    });
  }

  weighted(held: number): semaphore.Weighted {
    const weighted = new semaphore.Weighted(4);
    weighted.tryAcquire(held);
    const release = (): void => {
      for (let text; (text = String(weighted)) !== "semaphore.Weighted(0/4)";) {
        const [, n] = /\((\d+)/.exec(text)!;
        if (n === "0") break;
        weighted.release(Number(n));
      }
    };
    return this.add(weighted, release, async () => {
      must(String(weighted) === "semaphore.Weighted(0/4)", () => String(weighted));
      await weighted.acquire(4);
    });
  }

  group(): errgroup.Group {
    const [group] = errgroup.withContext(this.ctx);
    return this.add(
      group,
      () => {},
      async () => {
        if (this.isDeaf && String(group).startsWith("errgroup.Group(1 running")) return;
        must(/^errgroup.Group\(0 running(, limit -?\d+)?(, failed)?\)$/.test(String(group)), () => String(group));
        group.setLimit(1);
        let ran = false;
        await group.go(() => void (ran = true));
        await group.wait().catch(() => {});
        must(ran, () => String(group));
      },
    );
  }

  flight(): singleflight.Group<unknown, unknown> {
    const flight = new singleflight.Group<unknown, unknown>();
    let land!: (value: unknown) => void;
    void flight.do("under way", () => new Promise((resolve) => (land = resolve)));
    return this.add(
      flight,
      () => land(1),
      async () => {
        await flight.do("last", () => 1);
        must(/\([01] under way\)/.test(String(flight)), () => String(flight));
      },
    );
  }

  timer(): time.Timer {
    const timer = new time.Timer(Infinity);
    return this.add(
      timer,
      () => timer.stop(),
      async () => {
        timer.reset(0);
        must((await timer.c.recv())[0] instanceof Date, () => String(timer));
      },
    );
  }
}

/** A call with an odd value in one place. */
export type Call = (odd: any, world: World) => unknown;

export interface Row {
  /** It returns a promise, and never throws. */
  readonly isAsync?: boolean;
  /** What an error of it says, besides the names of the function and of the parameter. */
  readonly says?: RegExp;
  /** The parameters. Those with a space in their name are what a callback does, and what is in an object. */
  readonly calls: Readonly<Record<string, Call>>;
  /** Parameters whose failure is the failure of the call, or its result. */
  readonly results?: readonly string[];
  /** Parameters whose failure is reported as an uncaught error. */
  readonly reports?: readonly string[];
  /** Parameters that nobody but the odd value can end: what waits for one that is deaf waits for ever. */
  readonly waits?: readonly string[];
}

const bg = context.background();
const [ENDED] = context.withTimeout(bg, 0);
const KEY = context.key<unknown>("key");
const nothing = (): void => {};
const CTX = /^(ctx|signal): /;
const PARENT = /^(errgroup|ctx|signal): |^cannot create context from nil parent$/;
const DURATION = /expected a number of milliseconds|is no duration/;

/** What a callback may do with an odd value. */
const callbacks = (call: (fn: () => unknown, world: World) => unknown): Readonly<Record<string, Call>> => ({
  "fn returns": (x, w) => call(() => x, w),
  "fn throws": (x, w) =>
    call(() => {
      throw x;
    }, w),
  "fn rejects": (x, w) => {
    const promise = Promise.reject(x);
    // It may be handed out again, and nobody here awaits it then.
    promise.catch(nothing);
    return call(() => promise, w);
  },
});
const CALLBACKS = ["fn", "fn returns", "fn throws", "fn rejects"];

const policies = (call: (policy: any, world: World) => unknown): Readonly<Record<string, Call>> =>
  Object.fromEntries(
    ["tries", "base", "max", "timeout"].map((name): [string, Call] => [
      `policy ${name}`,
      (x, w) => call({ base: 0, tries: 2, [name]: x }, w),
    ]),
  );

const error = (Class: new (message?: string, options?: ErrorOptions) => Error): Row => ({
  calls: { message: (x) => new Class(x), options: (x) => new Class("message", x), value: (x) => x instanceof Class },
});

const ctxOnly = (call: Call): Row => ({ isAsync: true, says: CTX, calls: { ctx: call } });

/** The parameters of Go's calls that derive a context. */
const parent = (derive: Call, more: Omit<Row, "says"> & { says?: RegExp } = { calls: {} }): Row => ({
  ...more,
  says: new RegExp(`${PARENT.source}|${more.says?.source ?? PARENT.source}`),
  calls: { parent: derive, ...more.calls },
});

export const TABLE: Readonly<Record<string, Row>> = {
  "new Chan": { says: /^makechan: size out of range$/, calls: { capacity: (x) => new Chan(x) } },
  "Chan.send": {
    isAsync: true,
    says: CTX,
    calls: {
      value: (x, w) => w.chan(1).send(x),
      ctx: (x, w) => w.chan().send(1, x),
      "ctx of a send for which there is room": (x, w) => w.chan(1).send(1, x),
    },
  },
  "Chan.recv": ctxOnly((x, w) => w.chan().recv(x)),
  "Chan.trySend": { calls: { value: (x, w) => w.chan(1).trySend(x) } },
  "Chan.values": ctxOnly(async (x, w) => w.chan().values(x).next()),
  "nil.send": { isAsync: true, says: CTX, calls: { value: (x, w) => nil.send(x, w.ctx), ctx: (x) => nil.send(1, x) } },
  "nil.recv": ctxOnly((x) => nil.recv(x)),
  "nil.values": ctxOnly(async (x) => nil.values(x).next()),
  "new ClosedChannel": error(ClosedChannel),
  go: {
    calls: { fn: (x) => go(x), ...callbacks((fn) => go(fn)) },
    reports: CALLBACKS,
  },
  select: {
    isAsync: true,
    says: /^(ctx|signal|sending): |^send on closed channel$/,
    calls: {
      cases: (x, w) => select(x, w.ctx),
      ctx: (x, w) => select({ a: w.chan(), b: sending(w.chan(), 1) }, x),
      "a case": (x, w) => select({ a: w.chan(), odd: x, b: sending(w.chan(), 1) }, w.ctx),
      "a case of a list": (x, w) => select([w.chan(), x], w.ctx),
      "a case beside one that is ready": (x, w) => select([x, sending(w.chan(1), 1)], w.ctx),
      "two cases": (x, w) => select([x, x, sending(w.chan(1), 1)], w.ctx),
      "the channel of a send case": async (x, w) => select([sending(x, 1), w.chan()], w.ctx),
      "a value": (x, w) => select([sending(w.chan(1), x), sending(w.chan(), x)], w.ctx),
    },
  },
  trySelect: {
    calls: {
      cases: (x) => trySelect(x),
      "a case": (x, w) => trySelect({ a: w.chan(), odd: x, b: sending(w.chan(), 1) }),
      "a case beside one that is ready": (x, w) => trySelect([x, sending(w.chan(1), 1)]),
    },
  },
  sendAll: {
    isAsync: true,
    says: CTX,
    calls: {
      ch: (x, w) => sendAll(x, [1], w.ctx),
      values: (x, w) => sendAll(w.chan(), x, w.ctx),
      ctx: (x, w) => sendAll(w.chan(), [1], x),
      "ctx of an iterable that waits": (x, w) =>
        sendAll(w.chan(), { [Symbol.asyncIterator]: () => w.chan().values(w.ctx) }, x),
      "an iterator": (x, w) => sendAll(w.chan(), { [Symbol.iterator]: () => x }, w.ctx),
      "a step": (x, w) => sendAll(w.chan(), { [Symbol.iterator]: () => ({ next: () => x }) }, w.ctx),
      "a step of an async iterable": (x, w) =>
        sendAll(
          w.chan(),
          { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve([x]).then(([step]) => step) }) },
          w.ctx,
        ),
      "a value": (x, w) => sendAll(w.chan(1), [x], w.ctx),
    },
    results: ["ch", "values", "an iterator", "a step", "a step of an async iterable"],
    waits: ["ch"],
  },
  sending: {
    calls: {
      ch: (x, w) => trySelect([sending(x, 1), w.chan()]),
      value: (x, w) => trySelect([sending(w.chan(1), x)]),
    },
    says: /select|^send on closed channel$/,
  },

  "context.afterFunc": {
    says: CTX,
    calls: {
      ctx: (x) => context.afterFunc(x, nothing),
      fn: (x, w) => context.afterFunc(w.ctx, x),
      ...callbacks((fn, w) => context.afterFunc(w.ctx, fn)),
    },
    reports: CALLBACKS,
  },
  "context.background": { calls: {} },
  "context.todo": { calls: {} },
  "context.cause": { says: CTX, calls: { ctx: (x) => context.cause(x) } },
  "context.isContext": { calls: { value: (x) => context.isContext(x) } },
  "context.key": { calls: { description: (x) => context.key(x) } },
  "context.withCancel": parent((x) => context.withCancel(x)),
  "context.withCancelCause": parent((x) => context.withCancelCause(x), {
    calls: {
      "the cause": (x, w) => {
        const [ctx, cancel] = context.withCancelCause(w.ctx);
        cancel(x);
        return [ctx, cancel];
      },
    },
  }),
  "context.withDeadline": parent((x) => context.withDeadline(x, 9e12), {
    says: /^withDeadline: expected epoch ms or a Date, got /,
    calls: { at: (x, w) => context.withDeadline(w.ctx, x) },
  }),
  "context.withDeadlineCause": parent((x) => context.withDeadlineCause(x, 9e12, 1), {
    says: /^withDeadline/,
    calls: {
      at: (x, w) => context.withDeadlineCause(w.ctx, x, 1),
      cause: (x, w) => context.withDeadlineCause(w.ctx, 0, x),
    },
  }),
  "context.withTimeout": parent((x) => context.withTimeout(x, 9e12), {
    calls: { ms: (x, w) => context.withTimeout(w.ctx, x) },
  }),
  "context.withTimeoutCause": parent((x) => context.withTimeoutCause(x, 9e12, 1), {
    says: /^withTimeout/,
    calls: {
      ms: (x, w) => context.withTimeoutCause(w.ctx, x, 1),
      cause: (x, w) => context.withTimeoutCause(w.ctx, 0, x),
    },
  }),
  "context.withoutCancel": parent((x) => context.withoutCancel(x)),
  "context.withValue": parent((x) => context.withValue(x, KEY, 1), {
    says: /^nil key$/,
    calls: { key: (x, w) => context.withValue(w.ctx, x, 1), value: (x, w) => context.withValue(w.ctx, KEY, x) },
  }),
  "context.withSignal": parent((x) => context.withSignal(x, new AbortController().signal), {
    says: /^withSignal: expected an AbortSignal|^signal: /,
    calls: { signal: (x, w) => context.withSignal(w.ctx, x) },
  }),
  "context.wait": {
    isAsync: true,
    says: /^(wait|ctx|signal): /,
    calls: {
      promise: (x, w) => context.wait(x, w.ctx),
      "promise of an ended ctx": (x) => context.wait(x, context.withTimeout(bg, 0)[0]),
      "promise twice": (x, w) => Promise.all([context.wait(x, w.ctx), context.wait(x, w.ctx)]),
      ctx: (x) => context.wait(new Promise((resolve) => setImmediate(resolve)), x),
      late: (x, w) => context.wait(Promise.resolve(1), w.ctx, x),
      "late of an ended ctx": (x) => context.wait(Promise.resolve(1), context.withTimeout(bg, 0)[0], x),
      "promise with a late": (x, w) => context.wait(x, w.ctx, nothing),
      "promise of an ended ctx with a late": (x) => context.wait(x, context.withTimeout(bg, 0)[0], nothing),
      "its result": (x, w) => context.wait(new Promise((_, no: (error: unknown) => void) => no(x)), w.ctx),
    },
    results: ["promise", "promise twice", "promise with a late", "its result"],
    reports: ["late of an ended ctx"],
  },
  "context.from": {
    says: /^(from|ctx|signal|parent|withSignal): /,
    calls: {
      source: (x) => context.from(x),
      "the signal": (x) => context.from({ signal: x }),
    },
  },
  "context.errorFor": {
    says: CTX,
    calls: {
      source: (x) => void context.errorFor(x, ENDED, ENDED.err()),
      "the signal": (x) => void context.errorFor({ signal: x }, ENDED, ENDED.err()),
      ctx: (x) => void context.errorFor({}, x, new Error("fault")),
      error: (x) => void context.errorFor(AbortSignal.abort(), ENDED, x),
    },
  },
  "context.merge": parent((x) => context.merge(x, context.withCancel(bg)[0]), {
    says: /^merge: |^ctx: /,
    calls: {
      other: (x, w) => context.merge(w.ctx, x),
      both: (x) => context.merge(x, x),
    },
  }),
  "context.unref": { says: CTX, calls: { ctx: (x) => context.unref(x) } },
  "new context.Canceled": error(context.Canceled),
  "new context.DeadlineExceeded": error(context.DeadlineExceeded),
  "a context's value": {
    calls: Object.fromEntries(
      Object.entries({
        root: () => bg,
        withCancel: (w: World) => w.ctx,
        withValue: (w: World) => context.withValue(w.ctx, KEY, 1),
        withoutCancel: (w: World) => context.withoutCancel(w.ctx),
      }).map(([kind, make]): [string, Call] => [kind, (x, w) => make(w).value(x)]),
    ),
  },

  "new errgroup.Group": { calls: {} },
  "errgroup.Group.go": {
    isAsync: true,
    says: /^errgroup: go: /,
    calls: { fn: (x, w) => w.group().go(x), ...callbacks((fn, w) => w.group().go(fn)) },
  },
  "errgroup.Group.tryGo": {
    says: /^errgroup: tryGo: /,
    calls: { fn: (x, w) => w.group().tryGo(x), ...callbacks((fn, w) => w.group().tryGo(fn)) },
  },
  "errgroup.Group.setLimit": { says: /^errgroup: setLimit: /, calls: { n: (x, w) => w.group().setLimit(x) } },
  "errgroup.withContext": parent((x) => errgroup.withContext(x)[1]),
  "errgroup.run": {
    isAsync: true,
    says: new RegExp(`^errgroup: run: |${PARENT.source}`),
    calls: {
      parent: (x) => errgroup.run(x, () => 1),
      body: (x, w) => errgroup.run(w.ctx, x),
      ...callbacks((fn, w) => errgroup.run(w.ctx, fn)),
      "a task throws": (x, w) =>
        errgroup.run(
          w.ctx,
          (group) =>
            void group.go(() => {
              throw x;
            }),
        ),
    },
    results: ["body", ...CALLBACKS, "a task throws"],
    waits: ["body", "fn returns"],
  },

  "retry.run": {
    isAsync: true,
    says: /^(retry|ctx|signal|withTimeout): /,
    calls: {
      ctx: (x) => retry.run(x, () => 1),
      "ctx of a try that fails": (x) =>
        retry.run(
          x,
          (_, attempt) => {
            if (attempt === 1) throw new Error("retry: the first try");
          },
          { base: 0, timeout: 1e6 },
        ),
      fn: (x, w) => retry.run(w.ctx, x, { base: 0, tries: 2 }),
      policy: (x, w) => retry.run(w.ctx, () => 1, x),
      ...callbacks((fn, w) => retry.run(w.ctx, fn, { base: 0, tries: 2 })),
      ...policies((policy, w) => retry.run(w.ctx, () => 1, policy)),
    },
    results: CALLBACKS,
    waits: ["fn", "fn returns"],
  },
  "retry.backoff": {
    says: /^backoff: /,
    calls: {
      attempt: (x) => retry.backoff(x),
      policy: (x) => retry.backoff(1, x),
      ...policies((policy) => retry.backoff(1, policy)),
    },
  },
  "new retry.Permanent": error(retry.Permanent),

  "new semaphore.Weighted": { calls: { n: (x) => new semaphore.Weighted(x) } },
  "semaphore.Weighted.acquire": {
    isAsync: true,
    says: /^(ctx|signal|semaphore: acquire): /,
    calls: {
      n: (x, w) => w.weighted(0).acquire(x, w.ctx),
      "n where it has to wait": (x, w) => w.weighted(4).acquire(x, w.ctx),
      ctx: (x, w) => w.weighted(4).acquire(1, x),
      "ctx where nothing is held": (x, w) => w.weighted(0).acquire(1, x),
    },
  },
  "semaphore.Weighted.tryAcquire": {
    says: /^semaphore: tryAcquire: /,
    calls: { n: (x, w) => w.weighted(0).tryAcquire(x) },
  },
  "semaphore.Weighted.release": { says: /^semaphore: release/, calls: { n: (x, w) => w.weighted(1).release(x) } },

  "new singleflight.Group": { calls: {} },
  "singleflight.Group.do": {
    isAsync: true,
    says: /^(ctx|signal|singleflight: do): /,
    calls: {
      key: (x, w) => w.flight().do(x, () => 1),
      fn: (x, w) => w.flight().do(1, x, w.ctx),
      ctx: (x, w) => w.flight().do("under way", nothing, x),
      ...callbacks((fn, w) => w.flight().do(1, fn, w.ctx)),
    },
    results: CALLBACKS,
  },
  "singleflight.Group.doChan": {
    says: /^singleflight: doChan: /,
    calls: {
      key: (x, w) => w.flight().doChan(x, () => 1),
      fn: (x, w) => w.flight().doChan(1, x),
      ...callbacks((fn, w) => w.flight().doChan(1, fn)),
    },
  },
  "singleflight.Group.forget": { calls: { key: (x, w) => w.flight().forget(x) } },

  "new sync.Cond": { calls: { mutex: (x) => new sync.Cond(x) } },
  "sync.Cond.wait": ctxOnly((x, w) => w.cond().wait(x)),
  "new sync.Mutex": { calls: {} },
  "sync.Mutex.lock": {
    isAsync: true,
    says: CTX,
    calls: { ctx: (x, w) => w.mutex(true).lock(x), "ctx where it is free": (x, w) => w.mutex(false).lock(x) },
  },
  "new sync.RWMutex": { calls: {} },
  "sync.RWMutex.lock": ctxOnly((x, w) => w.rwmutex(true).lock(x)),
  "sync.RWMutex.rLock": ctxOnly((x, w) => w.rwmutex(true).rLock(x)),
  "new sync.WaitGroup": { calls: {} },
  "sync.WaitGroup.go": {
    calls: { fn: (x, w) => w.waitGroup(0).go(x), ...callbacks((fn, w) => w.waitGroup(0).go(fn)) },
    reports: CALLBACKS,
  },
  "sync.WaitGroup.add": {
    says: /^sync: negative WaitGroup counter$/,
    calls: { n: (x, w) => w.waitGroup(0).add(x === 2 ** 32 || x === 2 ** 53 ? 1 : x) },
  },
  "sync.WaitGroup.wait": ctxOnly((x, w) => w.waitGroup(1).wait(x)),
  "sync.once": {
    calls: {
      fn: (x) => {
        const once = sync.once(() => {
          const result: unknown = x();
          if (result instanceof Promise) result.catch(nothing);
          return result;
        });
        void sync.once(x);
        try {
          once();
        } finally {
          once();
        }
      },
      ...callbacks((fn) => void sync.once(fn)()),
    },
    results: CALLBACKS,
    says: /^once: /,
  },

  "time.now": { calls: {} },
  "time.sleep": {
    isAsync: true,
    says: CTX,
    calls: { ms: (x, w) => time.sleep(x, w.ctx), ctx: (x) => time.sleep(0.01, x) },
  },
  "time.after": { calls: { ms: (x) => time.after(x) } },
  "time.tick": { calls: { ms: (x) => time.tick(x) } },
  "time.afterFunc": {
    calls: {
      ms: (x) => time.afterFunc(x, nothing),
      fn: (x) => time.afterFunc(0, x),
      ...callbacks((fn) => time.afterFunc(0, fn)),
    },
    reports: CALLBACKS,
    says: DURATION,
  },
  "new time.Timer": { calls: { ms: (x) => new time.Timer(x) } },
  "time.Timer.reset": { calls: { ms: (x, w) => w.timer().reset(x) } },
  "new time.Ticker": { says: /^non-positive interval for NewTicker$/, calls: { ms: (x) => new time.Ticker(x) } },
  "time.Ticker.reset": {
    says: /^non-positive interval for Ticker.Reset$/,
    calls: { ms: (x) => new time.Ticker(1e6).reset(x) },
  },

  "signal.notifyContext": parent((x) => notifyContext(x, "SIGUSR2"), {
    says: /^notifyContext: /,
    calls: {
      signals: (x, w) => notifyContext(w.ctx, x),
      "a second signal": (x, w) => notifyContext(w.ctx, "SIGUSR2", x),
    },
  }),
  "signal.shutdown": parent(
    (x) => {
      const [stop, , release] = shutdown(x, "SIGUSR2");
      return [stop, release];
    },
    {
      says: /^shutdown: /,
      calls: {
        signals: (x, w) => {
          const [stop, , release] = shutdown(w.ctx, x);
          return [stop, release];
        },
      },
    },
  ),
};
