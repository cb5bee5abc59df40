/**
 * Second version: the rollback gets a ctx with the same values and a life of its own. It is tried once.
 */
import { context } from "headgate";
import type { Transfer } from "./transfer.ts";

export const detached: Transfer = async (ctx, id, { debit, credit }, dead) => {
  try {
    await debit.call(ctx, `${id}:debit`);
    await credit.call(ctx, `${id}:credit`);
  } catch (cause) {
    const [undoing, cancel] = context.withTimeout(context.withoutCancel(ctx), 5_000);
    using _ = cancel;
    await debit.undo(undoing, `${id}:debit`).catch(() => dead(`${id}:debit`));
    throw cause;
  }
};
