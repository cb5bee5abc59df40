/** Types: `// ? RULE MESSAGE` is reported only with them, and `// - RULE MESSAGE` only without. */
import { Chan, type Context, type RecvChan, sync } from "headgate";
import type { Jobs, Request } from "./elsewhere.ts";

interface Deps {
  readonly jobs: RecvChan<number>;
  readonly mutex: sync.Mutex;
  readonly ctx?: Context;
}

export async function behindAnInterface(ctx: Context, deps: Deps, jobs: Jobs) {
  await deps.jobs.recv(); // ? ctx-not-passed missing
  await deps.mutex.lock(ctx); // ? lock-guard dropped
  await jobs.list[0]?.recv(); // ? ctx-not-passed missing
  const { mutex } = deps;
  mutex.lock(ctx); // ? floating lock
}

export async function inferred(limit: Deps["ctx"], from: () => Chan<number>) {
  await from().recv(); // ? ctx-not-passed missing
  await from().recv(limit);
}

/** What is named as a context, and is none. */
export const handlers: ((ctx: Request) => Promise<void>)[] = [
  async (ctx) => {
    await new Chan<Request>().send(ctx);
  },
  async (ctx) => {
    await fetch("data:,one", { signal: ctx.signal });
    await new Chan<number>().recv(); // - ctx-not-passed missing
  },
];
