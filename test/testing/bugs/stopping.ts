/**
 * Bugs of shutdown: work that goes on after the stop, happens twice, comes too late, or does not happen at all.
 */
import { strict as assert } from "node:assert";
import { Chan, context, type Context, errgroup, go, retry, sync, time } from "headgate";
import { type Bug, unlessCancelled } from "./bug.ts";

/** Calls `fn` again and again, `ms` apart, until `ctx` ends. */
async function every(ms: number, ctx: Context, fn: () => Promise<void>): Promise<void> {
  try {
    for (;;) {
      await time.sleep(ms, ctx);
      await fn();
    }
  } catch (error) {
    unlessCancelled(error);
  }
}

export const stopping: readonly Bug[] = [
  {
    name: "lease extended after its return",
    story:
      "The worker stops its heartbeat, and gives the lease back. An extension that is still under way takes " +
      "the lease again, and no task holds the message.",
    scenario: (fixed) => async (t) => {
      let isHeld = true;
      async function extend(): Promise<void> {
        await t.yield(); // a request
        isHeld = true;
      }
      async function giveBack(): Promise<void> {
        await t.yield(); // another one
        isHeld = false;
      }
      const [beating, stopBeating] = context.withCancel(t.ctx);
      const heart = new sync.WaitGroup();
      heart.go(function heartbeat() {
        return every(10, beating, extend);
      });
      await time.sleep(25, t.ctx).catch(unlessCancelled); // the work
      stopBeating();
      if (fixed) await heart.wait();
      await giveBack();
      await t.wait();
      assert(!isHeld, "the lease was extended after its return");
    },
  },
  {
    name: "closed before the flush",
    story: "Two tasks wait for the same ctx, one to flush a file and one to close it. Their order is not fixed.",
    scenario: (fixed) => async (t) => {
      let isOpen = true;
      const flushed = new Chan<never>();
      const [group] = errgroup.withContext(t.ctx);
      void group.go(async function flusher(ctx) {
        await ctx.done().recv();
        assert(isOpen, "the file was closed before the flush");
        flushed.close();
      });
      void group.go(async function closer(ctx) {
        await ctx.done().recv();
        if (fixed) await flushed.recv();
        isOpen = false;
      });
      await t.sleep(10);
      t.cancel();
      await group.wait();
    },
  },
  {
    name: "timer set again after the stop",
    story:
      "A heartbeat is a timer whose function sets the next timer. If the timer is stopped while that function is " +
      "under way, the heartbeat goes on for ever.",
    scenario: (fixed) => async (t) => {
      const extend = async (): Promise<void> => {
        await t.yield(); // connects
        await t.yield(); // asks
      };
      function startTimers(): () => void {
        let timer = time.afterFunc(10, beat);
        function beat(): void {
          go(async function extension() {
            await extend();
            timer = time.afterFunc(10, beat);
          });
        }
        return () => void timer.stop();
      }
      // A loop that sleeps with a ctx is over when that has ended, wherever it was.
      function startLoop(): () => void {
        const [beating, stop] = context.withCancel(t.ctx);
        go(function heartbeat() {
          return every(10, beating, extend);
        });
        return stop;
      }
      const stop = fixed ? startLoop() : startTimers();
      await time.sleep(25, t.ctx).catch(unlessCancelled); // the work
      stop();
    },
  },
  {
    name: "callback that fires after its stop",
    story:
      "A callback aborts the connection when the ctx ends. After the query the callback is stopped, and the connection " +
      "goes back to the pool. If the callback has begun, stop() returns false, and the aborted connection is in the pool.",
    scenario: (fixed) => async (t) => {
      const connection = { isAborted: false };
      const pool: (typeof connection)[] = [];
      const aborted = new Chan<never>();
      const stop = context.afterFunc(t.ctx, () => {
        connection.isAborted = true;
        aborted.close();
      });
      await time.sleep(10); // the query
      const isStopped = stop();
      if (fixed && !isStopped) await aborted.recv();
      if (!connection.isAborted) pool.push(connection);
      await t.wait();
      assert(!pool.some(({ isAborted }) => isAborted), "an aborted connection is in the pool");
    },
  },
  {
    name: "channel closed twice",
    story:
      "The stop checks a flag, saves the jobs, sets the flag, and closes the channel. Called by the signal and at the " +
      "end of the program at once, it closes the channel twice.",
    scenario: (fixed) => async (t) => {
      const jobs = new Chan<string>(1);
      let isStopped = false;
      async function saveAndClose(): Promise<void> {
        if (isStopped) return;
        await t.yield(); // saves the jobs that are left
        isStopped = true;
        jobs.close();
      }
      const stop = fixed ? sync.once(saveAndClose) : saveAndClose;
      go(async function onSignal() {
        await t.ctx.done().recv();
        await stop();
      });
      await time.sleep(20, t.ctx).catch(unlessCancelled); // the program
      await stop();
    },
  },
  {
    name: "retry that sleeps through the stop",
    story:
      "The pauses between the attempts take no ctx. If the server is away when the stop comes, the program sleeps " +
      "on for seconds, and is killed.",
    scenario: (fixed) => async (t) => {
      let stopped = Infinity;
      const unwatch = context.afterFunc(t.ctx, () => {
        stopped = time.now();
      });
      let calls = 0;
      async function call(ctx: Context): Promise<string> {
        await time.sleep(1, ctx);
        if (++calls < 3) throw new Error("busy");
        return "done";
      }
      async function untilItWorks(ctx: Context): Promise<string> {
        for (let pause = 1_000; ; pause *= 2) {
          try {
            return await call(ctx);
          } catch (error) {
            if (pause === 8_000) throw error;
            await time.sleep(pause);
          }
        }
      }
      const answer = fixed ? retry.run(t.ctx, call, { base: 1_000 }) : untilItWorks(t.ctx);
      await answer.catch(() => {});
      unwatch();
      assert(time.now() - stopped < 500, "the program went on for seconds after its stop");
    },
  },
  {
    name: "loop that swallows the cancel",
    story:
      "One bad job must not stop the loop, so the loop catches every error. The end of its ctx is an error, too, " +
      "and each receive throws it again at once.",
    scenario: (fixed) => async (t) => {
      const jobs = new Chan<string>(2);
      for (const job of ["bad", "good"]) await jobs.send(job);
      jobs.close();
      const [group] = errgroup.withContext(t.ctx);
      void group.go(async function loop(ctx) {
        for (;;) {
          try {
            const [job, ok] = await jobs.recv(ctx);
            if (!ok) return;
            if (job === "bad") throw new Error("a bad job");
          } catch {
            if (fixed && ctx.err() !== undefined) return;
          }
        }
      });
      await group.wait();
    },
  },
  {
    name: "rollback under the cancelled ctx",
    story:
      "When the charge fails, the reservation is released, with the same ctx. That works if the card was " +
      "declined. It does not work if the charge failed because the ctx had ended.",
    scenario: (fixed) => async (t) => {
      let reserved = 0;
      const reserve = (ctx: Context): Promise<void> => time.sleep(1, ctx).then(() => void reserved++);
      const release = (ctx: Context): Promise<void> => time.sleep(1, ctx).then(() => void reserved--);
      async function charge(ctx: Context): Promise<void> {
        await time.sleep(10, ctx);
        throw new Error("the card was declined");
      }
      async function book(ctx: Context): Promise<void> {
        await reserve(ctx);
        try {
          await charge(ctx);
        } catch (error) {
          if (!fixed) await release(ctx);
          else {
            const [rollback, cancel] = context.withTimeout(context.withoutCancel(ctx), 2_000);
            using _ = cancel;
            await release(rollback);
          }
          throw error;
        }
      }
      await book(t.ctx).catch(() => {});
      assert(reserved === 0, "a seat stays reserved for ever");
    },
  },
];
