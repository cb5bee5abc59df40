/**
 * At most one call in an interval.
 */
// #region recipe
import { Chan, type Context, time } from "headgate";

/** Waits for its turn: one turn each `ms`, for all callers together, first come, first served. */
export function rateLimit(ms: number): (ctx: Context) => Promise<void> {
  const ticks = time.tick(ms); // a slow reader loses ticks, so no burst is saved up
  return async (ctx) => void (await ticks.recv(ctx));
}

/** At most `burst` calls in any `ms`: `burst` times as many as `rateLimit(ms)` lets through. It is not Go's token bucket. */
export function burstLimit(ms: number, burst: number): (ctx: Context) => Promise<void> {
  const tokens = new Chan<true>(burst);
  return async (ctx) => {
    await tokens.send(true, ctx);
    time.afterFunc(ms, () => tokens.tryRecv());
  };
}
// #endregion

export const prints = ["a +100", "b +200", "c +300", "d +300", "e +300", "f +400"];

export async function demo(ctx: Context, log: (text: unknown) => void): Promise<void> {
  const begin = time.now();
  const say = (text: string): void => log(`${text} +${time.now() - begin}`);
  const [turn, burst] = [rateLimit(100), burstLimit(100, 2)];
  try {
    for (const name of ["a", "b", "c"]) {
      await turn(ctx);
      say(name);
    }
    for (const name of ["d", "e", "f"]) {
      await burst(ctx);
      say(name);
    }
  } finally {
    await time.sleep(200); // the tokens come back, so that this demo leaves no timer
  }
}
