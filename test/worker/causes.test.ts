/**
 * The causes a handler's ctx may carry, and what two copies of the package think of each other's.
 */
import { context, errgroup, retry, time } from "headgate";
import { LeaseExpired, LeaseLost, memoryBroker, Permanent, Stopping, worker } from "headgate/worker";
import { describe, expect, it, vi } from "vitest";

const classes = { Stopping, LeaseLost, LeaseExpired } as const;
type Name = keyof typeof classes;
const names = Object.keys(classes) as Name[];

/** The package, loaded a second time. */
async function secondCopy(): Promise<typeof import("headgate/worker")> {
  vi.resetModules();
  return import("headgate/worker");
}

describe("the causes of a handler's ctx", () => {
  it.each<[name: Name, message: string]>([
    ["Stopping", "worker: stopping"],
    ["LeaseLost", "worker: lease lost"],
    ["LeaseExpired", "worker: held longer than maxLease"],
  ])("say what they are: %s", (name, message) => {
    const error = new classes[name]();
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toBe(`${name}: ${message}`);
    expect(error.stack).toMatch(new RegExp(`^${name}: ${message}\n`));
    expect([Object.keys(error), "cause" in error]).toEqual([[], false]);
    expect(new classes[name]({ cause: 0 })).toMatchObject({ cause: 0 });
  });

  it.each(names)("are not taken for each other: %s", (name) => {
    const error: unknown = new classes[name]();
    expect(names.filter((other) => error instanceof classes[other])).toEqual([name]);
    expect([error instanceof Permanent, error instanceof context.Canceled]).toEqual([false, false]);
  });

  it("are known across copies of the package, in both directions", async () => {
    const other = await secondCopy();
    for (const name of names) {
      expect(other[name]).not.toBe(classes[name]);
      expect(new other[name]() instanceof classes[name]).toBe(true);
      expect(new classes[name]() instanceof other[name]).toBe(true);
      const foreign: unknown = new other[name]();
      expect(names.filter((name) => foreign instanceof classes[name])).toEqual([name]);
    }
  });

  it("do not match for a subclass what is only of the class itself", () => {
    class Evicted extends LeaseLost {}
    expect(new LeaseLost() instanceof Evicted).toBe(false);
    expect(new Evicted() instanceof Evicted).toBe(true);
    expect(new Evicted() instanceof LeaseLost).toBe(true);
  });
});

describe("a Permanent", () => {
  it("of another copy is dead-lettered, too", async () => {
    const other = await secondCopy();
    expect(other.Permanent).not.toBe(retry.Permanent);
    const broker = memoryBroker<number>();
    await broker.publish(1);
    broker.end();
    const report = await worker(context.background(), broker, () => Promise.reject(new other.Permanent("no use")));
    expect(report).toMatchObject({ pulled: 1, dead: 1 });
  });

  it("is one also when a task of a group in the handler has thrown it", async () => {
    const broker = memoryBroker<number>();
    await broker.publish(1);
    broker.end();
    const report = await worker(context.background(), broker, (ctx) =>
      errgroup.run(ctx, (group) => {
        void group.go((ctx) => time.sleep(60_000, ctx));
        void group.go(() => Promise.reject(new Permanent("no use")));
      }),
    );
    expect(report).toMatchObject({ pulled: 1, dead: 1 });
  });
});
