/**
 * Select, cancelled at every point and in many orders: exactly one case takes effect, both sides agree which, and
 * the losing ones leave nothing behind.
 */
import { Chan, context, select, sending, time } from "headgate";
import { explore } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { Oracle } from "./oracle.ts";
import { together, under } from "./tasks.ts";

describe("select", () => {
  it("that sends and receives on one channel meets the other that does, never itself (S9, S14)", async () => {
    const outcomes = new Set<string>();
    const report = await explore(
      async (t) => {
        const oracle = new Oracle();
        const ends: string[] = [];
        const both = (n: number) => () =>
          under(t.ctx, async () => {
            const [sent, received] = [oracle.sending(n), oracle.receiving()];
            const got = await select({ out: sending(oracle.ch, n), in: oracle.ch }, t.ctx);
            if (got.case === "out") sent();
            else if (got.ok) received(got.value);
            ends.push(got.case);
          });
        await together(both(1), both(2));
        oracle.check();
        outcomes.add(ends.sort().join());
      },
      { bound: Infinity, randomRuns: 0 },
    );
    expect(report.complete).toBe(true);
    expect([...outcomes].sort()).toEqual(["", "in,out"]);
  });

  it("agrees with its partner on whether they met, although both watch the same context (S10, S14)", () =>
    explore(async (t) => {
      const oracle = new Oracle();
      const sender = async (): Promise<void> => {
        for (let n = 1; n <= 2; n++) {
          const sent = oracle.sending(n);
          const got = await select({ out: sending(oracle.ch, n), done: t.ctx.done() });
          if (got.case === "done") return expect(t.ctx.err()).toBeDefined();
          sent();
        }
      };
      const receiver = async (): Promise<void> => {
        for (let n = 1; n <= 2; n++) {
          const received = oracle.receiving();
          const got = await select({ in: oracle.ch, done: t.ctx.done() });
          if (got.case === "done") return expect(t.ctx.err()).toBeDefined();
          if (got.ok) received(got.value);
        }
      };
      await together(sender, receiver);
      oracle.check();
    }));

  it("does exactly one of its cases on two channels, and leaves nothing in the queue of the other (S7, S8)", () =>
    explore(async (t) => {
      const [a, b] = [new Oracle(), new Oracle(1)];
      const receiver = () =>
        under(t.ctx, async () => {
          const received = { a: a.receiving(), b: b.receiving() };
          const got = await select({ a: a.ch, b: b.ch }, t.ctx);
          if (got.ok) received[got.case](got.value);
        });
      const all = together(
        receiver,
        receiver,
        () => under(t.ctx, () => a.send(1, t.ctx)),
        () => under(t.ctx, () => b.send(2, t.ctx)),
        () =>
          under(t.ctx, async () => {
            const sent = { a: a.sending(3), b: b.sending(3) };
            sent[(await select({ a: sending(a.ch, 3), b: sending(b.ch, 3) }, t.ctx)).case]();
          }),
      );
      await a.stop(t, all);
      b.check();
      for (const { ch } of [a, b]) expect(ch.toString()).not.toContain("waiting");
    }));

  it("merges channels until each of them is closed, switching off the ones that are (S5, S16)", () =>
    explore(async (t) => {
      const sources = [new Oracle(), new Oracle()];
      const sender = (oracle: Oracle) => async (): Promise<void> => {
        await under(t.ctx, async () => {
          for (const n of [1, 2]) await oracle.send(n, t.ctx);
        });
        oracle.ch.close();
      };
      const all = together(...sources.map(sender));
      let [left, right] = sources.map((oracle) => oracle.ch) as [Chan<number> | null, Chan<number> | null];
      await under(t.ctx, async () => {
        while (left !== null || right !== null) {
          const [fromLeft, fromRight] = sources.map((oracle) => oracle.receiving());
          const got = await select({ left, right }, t.ctx);
          if (got.ok) (got.case === "left" ? fromLeft : fromRight)!(got.value);
          else if (got.case === "left") left = null;
          else right = null;
        }
      });
      await all;
      for (const oracle of sources) oracle.check();
    }));

  it("leaves the value with its sender when the time is up first, also on a slow machine (T6)", () =>
    explore(
      async (t) => {
        const oracle = new Oracle();
        const sender = () =>
          under(t.ctx, async () => {
            await time.sleep(10, t.ctx);
            await oracle.send(1, t.ctx);
          });
        const receiver = () =>
          under(t.ctx, async () => {
            const received = oracle.receiving();
            const got = await select({ value: oracle.ch, late: time.after(10) }, t.ctx);
            if (got.case === "value" && got.ok) received(got.value);
            else await oracle.recv(t.ctx);
          });
        await together(sender, receiver);
        oracle.check();
      },
      { timers: "any" },
    ));

  it("takes each of its ready cases in some schedule (S1)", async () => {
    const taken = new Set<string>();
    const report = await explore(
      async () => {
        const [a, b] = [new Chan<number>(1), new Chan<number>(1)];
        await a.send(1);
        const got = await select({ in: a, out: sending(b, 2), closed: context.background().done(), both: a });
        expect(a.length + b.length).toBe(got.case === "out" ? 2 : 0);
        taken.add(got.case);
      },
      { bound: Infinity, cancel: false, randomRuns: 0 },
    );
    expect(report.complete).toBe(true);
    expect([...taken].sort()).toEqual(["both", "in", "out"]);
  });
});
