/**
 * The worker of the talk, as `headgate/worker` has it: closing says that no more is coming, and a context says stop.
 */
import type { Context } from "headgate";
import { worker, type Report } from "headgate/worker";
import type { Broker, Message, More, Name, Work } from "../scenarios/queue.ts";

// #region worker
export function withWorker(ctx: Context, broker: Broker, work: Work, _name: Name, more: More): Promise<Report> {
  const handler = (_ctx: Context, m: Message) => work(m); //@ handler sleep
  return worker(ctx, broker, handler, { concurrency: 1, prefetch: 1, grace: 500, ...more }); //@ main group.wait
}
// #endregion
