/**
 * The wall clock is set while a worker drains, while leases run, and while a saga undoes: nothing is early, nothing late, nothing lost.
 */
import { context, retry, time } from "headgate";
import { saga, type SagaEvent } from "headgate/saga";
import {
  type Delivery,
  LeaseExpired,
  memoryBroker,
  type Report,
  type Source,
  worker,
  type WorkerEvent,
} from "headgate/worker";
import { describe, expect, it, vi } from "vitest";
import { elapse, virtualTime } from "../support/clock.ts";
import { account } from "./harness.ts";

const HOUR = 3_600_000;

/** Sets the wall clock; the monotonic clock and all timers go on. */
function step(ms: number): void {
  const before = performance.now();
  vi.setSystemTime(Date.now() + ms);
  expect(performance.now()).toBe(before);
}

const none = context.background();

function worked(
  source: Source<Delivery<number>>,
  handle: Parameters<typeof worker<Delivery<number>>>[2],
  options = {},
) {
  const [ctx, stop] = context.withCancel(none);
  const events: WorkerEvent<Delivery<number>>[] = [];
  const running = { stop, events, report: undefined as Report<Delivery<number>> | undefined };
  const observe = (event: WorkerEvent<Delivery<number>>): void => void events.push(event);
  void worker(ctx, source, handle, { grace: 1_000, observe, ...options }).then((report) => (running.report = report));
  return running;
}

async function filled(n: number, options = {}) {
  const broker = memoryBroker<number>(options);
  for (let i = 1; i <= n; i++) await broker.publish(i);
  return broker;
}

async function pulled(broker: Source<Delivery<number>>, within: number): Promise<number> {
  const [ctx, cancel] = context.withTimeout(none, within);
  const got = broker.pull(ctx, 10);
  await elapse(within);
  cancel();
  return (await got).length;
}

describe.each([
  ["an hour forward", HOUR],
  ["an hour back", -HOUR],
])("when the wall clock is set %s,", (_, ms) => {
  virtualTime();

  it("a worker that drains waits for its handlers, and acks them", async () => {
    const running = worked(await filled(3), () => time.sleep(400), { concurrency: 3 });
    await elapse(100);
    running.stop();
    await elapse(100);
    step(ms);
    await elapse(500);
    expect(account(running.report)).toBe("3 pulled: 3 acked");
    expect(running.report!.phaseMs.draining).toBe(300);
    for (const event of running.events) if (event.type === "finished") expect(event.ms).toBe(400);
  });

  it("a worker whose acks fail tells them again for as long as its grace lasts", async () => {
    const broker = await filled(3);
    let fails = true;
    const ack: typeof broker.ack = (ctx, ds) => (fails ? Promise.reject(new Error("busy")) : broker.ack(ctx, ds));
    const running = worked(Object.assign(Object.create(broker) as typeof broker, { ack }), () => time.sleep(100));
    await elapse(50);
    running.stop();
    await elapse(100);
    step(ms);
    await elapse(300);
    fails = false;
    await elapse(600);
    expect(account(running.report)).toBe("3 pulled: 3 acked");
  });

  it("a deaf handler is abandoned when the grace is over, and not before", async () => {
    const running = worked(await filled(1), () => time.sleep(HOUR), { abortWindow: 200, settle: 200 });
    await elapse(100);
    running.stop();
    await elapse(100);
    step(ms);
    await elapse(650);
    expect(running.report).toBeUndefined();
    await elapse(250);
    expect(account(running.report)).toBe("1 pulled: 1 released");
    expect(running.report!.phaseMs).toEqual({ draining: 600, aborting: 200, settling: 0 });
  });

  it("a lease of a memory broker ends when it would have ended", async () => {
    const broker = await filled(1, { lease: 1_000 });
    expect(await pulled(broker, 1)).toBe(1);
    step(ms);
    expect(await pulled(broker, 900)).toBe(0);
    expect(await pulled(broker, 200)).toBe(1);
  });

  it("a delay of a memory broker is over when it would have been", async () => {
    const broker = await filled(1);
    const [delivery] = await broker.pull(none, 1);
    await broker.nack(none, [{ delivery: delivery!, delay: 1_000, reason: "failed" }]);
    step(ms);
    expect(await pulled(broker, 900)).toBe(0);
    expect(await pulled(broker, 200)).toBe(1);
  });

  it("leases are extended, and none is lost", async () => {
    const running = worked(await filled(2, { lease: 300 }), () => time.sleep(1_000));
    for (let i = 0; i < 9; i++) {
      await elapse(100);
      step(i % 2 === 0 ? ms : -ms);
    }
    await elapse(200);
    running.stop();
    await elapse(100);
    expect(account(running.report)).toBe("2 pulled: 2 acked");
  });

  it("a handler has its message for maxLease, and no longer", async () => {
    const causes: unknown[] = [];
    const handle = async (ctx: context.Context): Promise<void> => {
      const ended = ctx.done().recv();
      await ended;
      causes.push(context.cause(ctx));
    };
    const running = worked(await filled(1), handle, { maxLease: 1_000 });
    await elapse(100);
    step(ms);
    await elapse(800);
    expect(causes).toEqual([]);
    await elapse(200);
    expect(causes).toEqual([expect.any(LeaseExpired)]);
    running.stop();
    await elapse(1_000);
  });

  it("a source that brings nothing and does not wait is asked ten times a second", async () => {
    let pulls = 0;
    const source: Source<Delivery<number>> = {
      pull: async () => (pulls++, []),
      ack: async () => {},
      nack: async () => {},
    };
    const running = worked(source, () => {});
    await elapse(50);
    step(ms);
    await elapse(950);
    expect(pulls).toBeGreaterThanOrEqual(9);
    expect(pulls).toBeLessThanOrEqual(12);
    running.stop();
    await elapse(1_000);
  });

  it("a saga has its budget for undoing, and no more", async () => {
    const events: SagaEvent[] = [];
    const order = saga("s")
      .step(
        "a",
        () => {},
        (ctx) => time.sleep(HOUR, ctx),
      )
      .step(
        "b",
        () => {},
        (ctx) => time.sleep(400, ctx),
      )
      .step(
        "c",
        () => Promise.reject(new Error("boom")),
        () => {},
      );
    let returned = false;
    const run = order.run(none, 0, {
      compensation: { budget: 1_000 },
      deadLetter: async () => {},
      observe: (event) => void events.push(event),
    });
    void run.then(() => (returned = true));
    await elapse(100);
    step(ms);
    await elapse(850);
    expect(returned).toBe(false);
    await elapse(50);
    expect(returned).toBe(true);
    const result = await run;
    expect(result).toMatchObject({ status: "dead-lettered", letters: [{ step: "a", reason: "out of time" }] });
    expect(result.log.map(({ outcome }) => outcome)).toEqual(["dead-lettered", "compensated", "compensated"]);
    // What is shown to people is the time of day.
    expect(events.at(-1)!.at).toBe(Date.now());
  });

  it("a step has taken as long as it has", async () => {
    const run = saga("s")
      .step(
        "a",
        () => time.sleep(300),
        () => {},
      )
      .run(none, 0, { deadLetter: async () => {} });
    await elapse(100);
    step(ms);
    await elapse(200);
    expect((await run).log[0]!.ms).toBe(300);
  });

  it("retry pauses as long as it would have, and a try has its timeout", async () => {
    let attempts = 0;
    const attempt = (ctx: context.Context): Promise<void> => {
      attempts++;
      return time.sleep(HOUR, ctx);
    };
    const failing = retry.run(none, attempt, { tries: 2, base: 0, timeout: 500 }).catch(String);
    await elapse(100);
    step(ms);
    await elapse(350);
    expect(attempts).toBe(1);
    await elapse(100);
    expect(attempts).toBe(2);
    step(-ms);
    await elapse(500);
    expect(await failing).toContain("deadline exceeded");
  });
});

describe("a process that was suspended, or busy in one piece", () => {
  // In real time: fake timers let each one be heard before the next.
  it("for longer than a pull may take does not stop its worker", async () => {
    const broker = memoryBroker<number>();
    const [stop, cancel] = context.withCancel(none);
    const options = { callTimeout: 50, grace: 5_000, abortWindow: 100, settle: 1_000 };
    const running = worker(stop, broker, () => {}, options);
    await time.sleep(10);
    for (const end = performance.now() + 1_500; performance.now() < end;);
    let isOver = false;
    void running.then(() => (isOver = true));
    await broker.publish(1);
    while (broker.size > 0 && !isOver) await time.sleep(1);
    cancel();
    expect(await running).toMatchObject({ stopped: "cancelled", acked: 1 });
  });
});
