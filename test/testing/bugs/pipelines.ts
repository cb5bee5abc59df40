/**
 * Bugs of values and errors under way: lost, stuck, late, or replaced by another.
 */
import { strict as assert } from "node:assert";
import { Chan, context, type Context, errgroup, select, time } from "headgate";
import { type Bug, unlessCancelled } from "./bug.ts";

export const pipelines: readonly Bug[] = [
  {
    name: "producer without a ctx",
    story: "The consumer leaves when it is cancelled. The producer sends without a ctx, and waits for ever.",
    scenario: (fixed) => async (t) => {
      const results = new Chan<number>();
      const [group] = errgroup.withContext(t.ctx);
      void group.go(async function produce(ctx) {
        for (const n of [1, 2, 3]) await (fixed ? results.send(n, ctx) : results.send(n));
        results.close();
      });
      void group.go(async function consume(ctx) {
        let sum = 0;
        for await (const n of results.values(ctx)) sum += n;
        assert(sum === 6, "a result was lost");
      });
      await group.wait().catch(unlessCancelled);
    },
  },
  {
    name: "cancelled between two plain awaits",
    story:
      "The task checks its ctx, and then awaits a call that takes no ctx. The ctx ends meanwhile, and the task stores " +
      "the row after the end.",
    scenario: (fixed) => async (t) => {
      const lines = new Chan<string>(1);
      await lines.send("a,b");
      const parse = async (line: string): Promise<string[]> => line.split(",");
      const table: string[][] = [];
      const [group] = errgroup.withContext(t.ctx);
      void group.go(async function store(ctx) {
        const [line, ok] = await lines.recv(ctx);
        if (!ok) return;
        if (!fixed && ctx.err() !== undefined) return;
        const row = await parse(line);
        if (fixed && ctx.err() !== undefined) return;
        assert(ctx.err() === undefined, "stored after the end");
        table.push(row);
      });
      await group.wait().catch(unlessCancelled);
    },
  },
  {
    name: "value won by an abandoned receive",
    story:
      "The consumer races a receive against the end of its ctx, by Promise.race. The receive that loses stays in the " +
      "queue of the channel, and takes the next job.",
    scenario: (fixed) => async (t) => {
      const jobs = new Chan<string>(3);
      const [done, left]: [string[], string[]] = [[], []];
      async function raced(ctx: Context): Promise<string | undefined> {
        const [job] = await Promise.race([jobs.recv(), ctx.done().recv()]);
        return job;
      }
      async function selected(ctx: Context): Promise<string | undefined> {
        const got = await select({ job: jobs, stop: ctx.done() });
        return got.case === "job" ? got.value : undefined;
      }
      const next = fixed ? selected : raced;
      const [group] = errgroup.withContext(t.ctx);
      void group.go(async function produce() {
        for (const job of ["a", "b", "c"]) await time.sleep(10).then(() => jobs.send(job));
        jobs.close();
      });
      void group.go(async function consume(ctx) {
        for (let job = await next(ctx); job !== undefined; job = await next(ctx)) done.push(job);
      });
      await group.wait();
      for await (const job of jobs) left.push(job); // for the next consumer
      assert(done.length + left.length === 3, "a job was lost");
    },
  },
  {
    name: "cancel reported instead of the error",
    story:
      "A stage fails, and stops the others before it has returned its error. One of them returns the error of the ctx, " +
      "and the group reports that. The disk was full, and the report does not say so.",
    scenario: (fixed) => async (t) => {
      const lines = new Chan<string>();
      const [working, stop] = context.withCancel(t.ctx);
      const full = new Error("disk full");
      let isFull = false;
      async function read(): Promise<void> {
        try {
          for (const line of ["one", "two", "three"]) await lines.send(line, working);
          lines.close();
        } catch (error) {
          // A stage that stops with its ctx has not failed.
          if (!fixed) throw error;
          unlessCancelled(error);
        } finally {
          await t.yield(); // closes the file it reads
        }
      }
      async function write(): Promise<void> {
        try {
          for await (const line of lines.values(working)) {
            isFull = line === "two";
            if (isFull) throw full;
          }
        } finally {
          stop();
          await t.yield(); // closes the file it writes
        }
      }
      const [group] = errgroup.withContext(t.ctx);
      void group.go(read);
      void group.go(write);
      const error = await group.wait().catch((error: unknown) => error);
      if (isFull) assert(error === full, "the disk was full, and the group says something else");
    },
  },
];
