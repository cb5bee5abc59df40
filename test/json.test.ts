/**
 * What lands in logs: one line, the same at every run, and never a value that was entrusted to an object.
 */
import { inspect } from "node:util";
import { Chan, context, errgroup, nil, semaphore, sending, singleflight, sync, time } from "headgate";
import { memoryBroker } from "headgate/worker";
import { describe, expect, it } from "vitest";

const SECRET = "hunter2";
const { background, withCancel, withTimeout, withValue } = context;
const key = context.key<unknown>("token");

const objects: Record<string, () => [object: object, json: string]> = {
  "the background context": () => [background(), "context.Background"],
  "a context with values": () => [
    withValue(withValue(withCancel(background())[0], key, SECRET), key, { password: SECRET }),
    "context.Background.WithCancel.WithValue(token, string).WithValue(token, Object)",
  ],
  "a context with a deadline": () => {
    const [ctx, cancel] = withTimeout(withValue(background(), key, SECRET), 60_000);
    cancel();
    return [ctx, "context.Background.WithValue(token, string).WithDeadline (canceled)"];
  },
  "a channel": () => {
    const ch = new Chan<string>(3);
    ch.trySend(SECRET);
    return [ch, "Chan(1/3)"];
  },
  nil: () => [nil, "nil"],
  "a send case": () => [sending(new Chan<string>(), SECRET), "sending(Chan(0/0))"],
  "an iterator of values": () => [new Chan<string>(1).values(), "values of Chan(0/1)"],
  "a group": () => {
    const group = new errgroup.Group();
    group.setLimit(2);
    return [group, "errgroup.Group(0 running, limit 2)"];
  },
  "a mutex": () => [new sync.Mutex(), "sync.Mutex(unlocked)"],
  "an RWMutex": () => [new sync.RWMutex(), "sync.RWMutex(unlocked)"],
  "a Cond": () => [new sync.Cond(new sync.Mutex()), "sync.Cond(0 waiting)"],
  "a WaitGroup": () => [new sync.WaitGroup(), "sync.WaitGroup(0)"],
  "a semaphore": () => [new semaphore.Weighted(5), "semaphore.Weighted(0/5)"],
  singleflight: () => [new singleflight.Group(), "singleflight.Group(0 under way)"],
  "a timer": () => [new time.Timer(Infinity), "time.Timer(running)"],
  "a ticker": () => [new time.Ticker(1_000), "time.Ticker(running)"],
};

describe("as JSON, in an object as a logger has it", () => {
  it.each(Object.keys(objects))("%s is one line, without a value", (name) => {
    const [object, json] = objects[name]!();
    const logged = JSON.stringify({ level: 30, object, msg: "hello" });
    expect(JSON.parse(logged)).toEqual({ level: 30, object: json, msg: "hello" });
    expect(logged).not.toContain(SECRET);
    expect(inspect(object)).not.toContain("\n");
  });

  it("a broker in memory says how many messages it has, and nothing of them", async () => {
    const broker = memoryBroker<string>();
    await broker.publish(SECRET, { key: SECRET, attributes: { token: SECRET } });
    expect(JSON.stringify({ broker })).toBe('{"broker":"memoryBroker(1 messages, 0 of them leased; 0 dead)"}');
    expect(inspect(broker)).not.toContain(SECRET);
  });

  it("the guards of locks and semaphores are one line", async () => {
    const guards = await Promise.all([
      new sync.Mutex().lock(),
      new sync.RWMutex().lock(),
      new sync.RWMutex().rLock(),
      new semaphore.Weighted(5).acquire(3),
    ]);
    for (const guard of guards)
      expect(typeof (JSON.parse(JSON.stringify({ guard })) as { guard: unknown }).guard).toBe("string");
  });

  it("a context of somebody's own above ours gives its class alone", () => {
    class Request {
      secret = SECRET;
      deadline(): undefined {}
      done = (): typeof nil => nil;
      err(): undefined {}
      value(): undefined {}
      signal = new AbortController().signal;
      toString(): string {
        return SECRET;
      }
    }
    const [ctx] = withCancel(new Request() as unknown as context.Context);
    expect(JSON.stringify(ctx)).toBe('"Request.WithCancel"');
  });
});
