/** What Go's own tests of sync.WaitGroup pin, in our words. */
import { sync } from "headgate";
import { beforeAll, describe, expect, it } from "vitest";
import { build, run } from "../support/child.ts";
import { isPending, virtualTime } from "../support/clock.ts";

describe("sync.WaitGroup", () => {
  virtualTime();

  it("nobody passes early, in eight rounds (G1, G3) [sync/waitgroup_test.go TestWaitGroup]", async () => {
    const [arrived, leave] = [new sync.WaitGroup(), new sync.WaitGroup()];
    for (let round = 0; round < 8; round++) {
      const n = 16;
      let left = 0;
      arrived.add(n);
      leave.add(n);
      for (let i = 0; i < n; i++) {
        void (async () => {
          arrived.done();
          await leave.wait();
          left++;
        })();
      }
      await arrived.wait();
      for (let i = 0; i < n; i++) {
        expect(await isPending(leave.wait())).toBe(true);
        expect(left).toBe(0);
        leave.done();
      }
      await leave.wait();
      await Promise.resolve();
      expect(left).toBe(n);
    }
  });

  it("one done too many throws (G2) [sync/waitgroup_test.go TestWaitGroupMisuse]", () => {
    const wg = new sync.WaitGroup();
    wg.add(1);
    wg.done();
    expect(() => wg.done()).toThrow("sync: negative WaitGroup counter");
  });

  it("no wait ends early, in 1000 runs (G4) [sync/waitgroup_test.go TestWaitGroupRace]", async () => {
    for (let i = 0; i < 1000; i++) {
      const wg = new sync.WaitGroup();
      let n = 0;
      for (let task = 0; task < 2; task++) {
        wg.add(1);
        queueMicrotask(() => {
          n++;
          wg.done();
        });
      }
      await wg.wait();
      expect(n).toBe(2);
    }
  });

  it("go runs a function that wait waits for (G5) [sync/waitgroup_test.go TestWaitGroupGo]", async () => {
    const wg = new sync.WaitGroup();
    let ran = 0;
    wg.go(() => ran++);
    await wg.wait();
    expect(ran).toBe(1);
  });
});

describe("a program", () => {
  beforeAll(build);

  it.each([
    ["throws", "() => { throw new Error('boom'); }"],
    ["rejects", "async () => { throw new Error('boom'); }"],
  ])("ends when a task %s (G5) [sync/waitgroup_test.go TestIssue76126]", async (_, task) => {
    const end = await run(`
      import { sync } from "headgate";
      const wg = new sync.WaitGroup();
      wg.go(${task});
      await wg.wait();
      console.log("went on");
    `);
    expect(end).toMatchObject({ code: 1, signal: null, lines: [] });
    expect(end.errors).toContain("Error: boom");
  });

  it("never counts the failed task as done (G5) [sync/waitgroup_test.go TestIssue76126]", async () => {
    const end = await run(`
      import { sync } from "headgate";
      const wg = new sync.WaitGroup();
      process.once("uncaughtException", (error) => console.log(error.message, String(wg)));
      wg.go(() => { throw new Error("boom"); });
      void wg.wait().then(() => console.log("went on"));
    `);
    expect(end).toMatchObject({ code: 0, lines: ["boom sync.WaitGroup(1, 1 waiting)"] });
  });
});
