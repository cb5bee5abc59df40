/**
 * Exercise 1: ask a server, but wait `ms` at most.
 *
 * `server` stops when the context that it gets has ended. Give it one that ends after `ms`, and also when `ctx` ends. At the end nothing may be
 * left: no timer, and no context that was never cancelled.
 */
import { type Context, time } from "headgate";

export async function ask(ctx: Context, ms: number, server: (ctx: Context) => Promise<string>): Promise<string> {
  const begun = time.now();
  const answer = await server(ctx); // as long as the server takes
  if (time.now() - begun > ms) throw new Error("too late"); // which it notices too late
  return answer;
}
