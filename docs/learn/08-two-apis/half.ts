/** A transfer with the usual repair: the rollback has a context of its own, and is tried again. */
import { context, type Context, retry } from "headgate";
import type { Bank } from "../scenarios/banks.ts";

// #region transfer
export async function detachedRollback(ctx: Context, debit: Bank, credit: Bank): Promise<void> {
  try {
    await debit.call(ctx, "t1:debit"); //@ debit call
    await credit.call(ctx, "t1:credit"); //@ credit call
  } catch (cause) {
    const [undoing, cancel] = context.withTimeout(context.withoutCancel(ctx), 5_000);
    try {
      await retry.run(undoing, (ctx) => debit.undo(ctx, "t1:debit")); //@ debit undo
    } finally {
      cancel();
    }
    throw cause;
  }
}
// #endregion
