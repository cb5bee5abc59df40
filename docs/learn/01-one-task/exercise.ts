/**
 * Exercise 1: ask a server, but wait `ms` at most.
 *
 * `server` stops when the context that it gets has ended. Give it one that ends after `ms`, and also when `ctx` ends. At the end nothing may be
 * left: no timer, and no context that was never cancelled.
 */
import type { Context } from "headgate";

export async function ask(ctx: Context, ms: number, server: (ctx: Context) => Promise<string>): Promise<string> {
  return server(ctx); // waits as long as the server takes, and never uses ms
}
