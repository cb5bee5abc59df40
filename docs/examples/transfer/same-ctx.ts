/**
 * First version, the bug: the rollback gets the ctx that was cancelled, which is why there is a rollback.
 */
import type { Transfer } from "./transfer.ts";

export const sameCtx: Transfer = async (ctx, id, { debit, credit }, dead) => {
  try {
    await debit.call(ctx, `${id}:debit`);
    await credit.call(ctx, `${id}:credit`);
  } catch (cause) {
    await debit.undo(ctx, `${id}:debit`).catch(() => dead(`${id}:debit`)); // refused before it has left
    throw cause;
  }
};
