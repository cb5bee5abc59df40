/** A transfer whose rollback runs on the context that was just cancelled. */
import type { Context } from "headgate";
import type { Bank } from "../scenarios/banks.ts";

// #region transfer
export async function sameContext(ctx: Context, debit: Bank, credit: Bank): Promise<void> {
  try {
    await debit.call(ctx, "t1:debit"); //@ debit call
    await credit.call(ctx, "t1:credit"); //@ credit call
  } catch (cause) {
    await debit.undo(ctx, "t1:debit"); //@ debit undo
    throw cause;
  }
}
// #endregion
