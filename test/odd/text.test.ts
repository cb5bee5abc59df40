/**
 * How everything shows itself that can be made, with odd values inside and out: one line as JSON, no error, and no value that was entrusted
 * to it.
 */
import { inspect } from "node:util";
import {
  Chan,
  ClosedChannel,
  type Context,
  context,
  errgroup,
  nil,
  retry,
  select,
  semaphore,
  sending,
  singleflight,
  sync,
  time,
} from "headgate";
import { notifyContext, shutdown } from "headgate/signal";
import { describe, expect, it } from "vitest";
import { ODD } from "./odd.ts";

const SECRET = "s3cr3t";

/** Makes objects that hold `value`, or have it beside them; each is to be let go of by its `end`. */
async function everything(value: any): Promise<Record<string, unknown>> {
  const bg = context.background();
  const key = context.key<unknown>("key");
  const [cancelled, cancel] = context.withCancelCause(bg);
  cancel(value);
  const [live, end] = context.withCancelCause(bg);
  const holder = context.withValue(live, key, value);
  const nested = context.withValue(context.withoutCancel(holder), key, { value, nested: [value] });
  const [limited, endLimited] = context.withTimeout(holder, 1e9);
  const [merged, endMerged] = context.merge(holder, limited);
  const controller = new AbortController();
  const [signalled] = context.withSignal(holder, controller.signal);
  controller.abort(value);
  const [notified, stopNotified] = notifyContext(holder, "SIGUSR2");
  const [stop, , release] = shutdown(holder, "SIGUSR2");

  const full = new Chan<unknown>(2);
  full.trySend(value);
  full.trySend({ value });
  const waiting = full.send(value, live);
  const selecting = select({ odd: sending(new Chan<unknown>(), value), other: new Chan() }, live);
  const empty = new Chan<unknown>();
  const iterator = empty.values(holder);
  const step = iterator.next();

  const [group, groupCtx] = errgroup.withContext(holder);
  await group.go(() => Promise.reject(value));
  await group.wait().catch(() => {});
  const flight = new singleflight.Group<unknown, unknown>();
  await flight.do(value, () => ({ value }));
  const failed = flight.doChan(value, () => {
    throw value;
  });
  const mutex = new sync.Mutex();
  const rwmutex = new sync.RWMutex();
  const other = new sync.RWMutex();
  const weighted = new semaphore.Weighted(2);
  const all = {
    "the root": bg,
    "a context with a cause": cancelled,
    "a context": live,
    "a context with a value": holder,
    "a context with a value in an object": nested,
    "a context with a deadline": limited,
    "a merged context": merged,
    "a context of a signal with a reason": signalled,
    "a context of the process's signals": notified,
    "a stage of a shutdown": stop,
    "a group's context": groupCtx,
    "a cancel function": endMerged,
    "the done of a context": cancelled.done(),
    "a full channel": full,
    "a channel of results": failed,
    nil,
    "a send case": sending(full, value),
    "a send case of nil": sending(null, value),
    "an iterator": iterator,
    "a failed group": group,
    "a flight": flight,
    "a mutex": mutex,
    "a guard": await mutex.lock(),
    "a lock": rwmutex,
    "a reader's guard": await rwmutex.rLock(),
    "a writer's guard": await other.lock(),
    "a condition": new sync.Cond(mutex),
    "a wait group": new sync.WaitGroup(),
    "a semaphore": weighted,
    "a semaphore's guard": await weighted.acquire(1),
    "a timer": new time.Timer(Infinity),
    "a timer with a function": time.afterFunc(Infinity, () => value),
    "a ticker": new time.Ticker(1e9),
    "a timer's channel": time.after(Infinity),
    "a function that runs once": sync.once(() => value),
  };
  await Promise.resolve();
  for (const cancelIt of [endLimited, endMerged, stopNotified, release]) cancelIt();
  end(value);
  await Promise.allSettled([waiting, selecting, step]);
  return all;
}

/** Errors: they print their cause, as errors do, but must not throw where it can be read at all. */
function errors(value: any): Record<string, Error> {
  return {
    Canceled: new context.Canceled("message", { cause: value }),
    DeadlineExceeded: new context.DeadlineExceeded("message", { cause: value }),
    ClosedChannel: new ClosedChannel("message", { cause: value }),
    Permanent: new retry.Permanent("message", { cause: value }),
  };
}

describe("as JSON, and as text", () => {
  it("nothing tells a value that was entrusted to it", async () => {
    for (const secret of [SECRET, { SECRET }, [SECRET], new Error(SECRET), () => SECRET, Symbol(SECRET)]) {
      for (const [name, object] of Object.entries(await everything(secret))) {
        const json = JSON.stringify({ object });
        expect(json, name).not.toContain(SECRET);
        expect(json, name).not.toMatch(/[\n\r]/);
      }
    }
  });

  it("everything but a function is one string", async () => {
    for (const [name, object] of Object.entries(await everything(SECRET))) {
      const json: unknown = JSON.parse(JSON.stringify([object]))[0];
      if (typeof object === "function") expect(json, name).toBeNull();
      else expect(json, name).toBeTypeOf("string");
      expect(String(json), name).not.toBe("");
      expect(String(json), name).not.toContain("[object");
    }
  });

  it("everything says the same twice", async () => {
    const [once, twice] = [await everything(1), await everything(1)];
    expect(JSON.stringify(once)).toBe(JSON.stringify(twice));
  });

  it("nothing throws, whatever is in it", async () => {
    const faults: string[] = [];
    for (const { name: odd, make } of ODD) {
      const value = make();
      let found: Record<string, unknown>;
      try {
        found = await everything(value);
      } catch (error) {
        faults.push(`${odd}: it cannot be made: ${String((error as Error).stack)}`);
        continue;
      }
      for (const [name, object] of [...Object.entries(found), ...Object.entries(errors(1))]) {
        for (const show of [(x: unknown) => JSON.stringify({ x }), String, inspect]) {
          try {
            show(object);
          } catch (error) {
            faults.push(`${name} with ${odd}: ${show.name}: ${String((error as Error).stack)}`);
          }
        }
      }
      for (const [name, error] of Object.entries(errors(value))) {
        expect(String(error), name).toMatch(/: message$/);
        expect(JSON.stringify(error), name).not.toContain("cause");
      }
    }
    expect(faults.join("\n")).toBe("");
  });

  it("a context of somebody else's is shown by what it says, if that is a text, and else by its class", () => {
    class Theirs {
      toJSON: unknown = () => ({ secret: SECRET });
      done(): null {
        return null;
      }
      err(): void {}
      value(): void {}
      deadline(): void {}
    }
    const theirs = new Theirs();
    const ctx = context.withValue(theirs as unknown as Context, context.key("key"), 1);
    expect(JSON.stringify(ctx)).toBe('"Theirs.WithValue(key, number)"');
    theirs.toJSON = () => "theirs";
    expect(JSON.stringify(ctx)).toBe('"theirs.WithValue(key, number)"');
    theirs.toJSON = () => {
      throw new Error(SECRET);
    };
    expect(JSON.stringify(ctx)).toBe('"Theirs.WithValue(key, number)"');
  });
});
