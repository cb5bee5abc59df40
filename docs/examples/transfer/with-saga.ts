/**
 * Fourth version: `headgate/saga` undoes whatever was begun, also what was cancelled, on a ctx that is alive, until it is undone.
 */
import { orThrow, saga } from "headgate/saga";
import { type Banks, POLICY, type Transfer } from "./transfer.ts";

const transfer = saga<Banks>("transfer")
  .step(
    "debit",
    (ctx, { input, key }) => input.debit.call(ctx, key),
    (ctx, { input, key }) => input.debit.undo(ctx, key),
  )
  .step(
    "credit",
    (ctx, { input, key }) => input.credit.call(ctx, key),
    (ctx, { input, key }) => input.credit.undo(ctx, key),
  );

export const withSaga: Transfer = async (ctx, id, banks, dead) => {
  const options = {
    id,
    compensation: { retry: POLICY },
    deadLetter: async (_: unknown, { key }: { key: string }) => dead(key),
  };
  await transfer.run(ctx, banks, options).then(orThrow);
};
