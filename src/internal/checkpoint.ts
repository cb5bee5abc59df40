/**
 * A scheduling point (trio's checkpoint): an operation that has its effect when it is called, and whose caller resumes later. What only
 * changes memory becomes by it what a call over a network would be, and `explore` tries out what happens meanwhile.
 */
import type { Context } from "../types.ts";
import { entryError } from "./suspend.ts";
import { created, rejected, resolvedVoid } from "./runtime.ts";

export class Checkpoint {
  constructor() {
    created(this);
  }

  /**
   * Calls `perform` at once, and resolves to its result later.
   *
   * **Cancellation**: if `ctx` has ended, rejects with `ctx.err()`, and `perform` is not called.
   */
  async pass<R>(perform: () => R, ctx?: Context): Promise<R> {
    const error = entryError(ctx);
    const passing = error === undefined ? resolvedVoid("checkpoint", this) : rejected("checkpoint", this, error);
    const outcome = error === undefined ? { result: perform() } : undefined;
    await passing;
    return outcome!.result;
  }
}
