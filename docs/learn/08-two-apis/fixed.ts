/** A transfer as a saga: each call has its undo, and each call that was begun is undone. */
import type { Context } from "headgate";
import { orThrow, saga } from "headgate/saga";
import type { Bank } from "../scenarios/banks.ts";

// #region transfer
interface Banks {
  readonly debit: Bank;
  readonly credit: Bank;
}

const transfer = saga<Banks>("transfer")
  .step(
    "debit",
    (ctx, { input, key }) => input.debit.call(ctx, key), //@ debit call
    (ctx, { input, key }) => input.debit.undo(ctx, key), //@ debit undo
  )
  .step(
    "credit",
    (ctx, { input, key }) => input.credit.call(ctx, key), //@ credit call
    (ctx, { input, key }) => input.credit.undo(ctx, key), //@ credit undo
  );

export async function asSaga(ctx: Context, debit: Bank, credit: Bank): Promise<void> {
  const deadLetter = (_ctx: Context, letter: object) => console.error(letter); // a table, a queue
  await transfer.run(ctx, { debit, credit }, { id: "t1", deadLetter }).then(orThrow);
}
// #endregion
