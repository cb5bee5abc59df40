/**
 * Third version, the half of the fix: the rollback is detached, and tried again. No dead letters are left, and all looks well. But the
 * credit was cancelled, not uncalled: it may be applied, and then it is not taken back.
 */
import { context, retry } from "headgate";
import { POLICY, type Transfer } from "./transfer.ts";

export const halfFix: Transfer = async (ctx, id, { debit, credit }, dead) => {
  try {
    await debit.call(ctx, `${id}:debit`);
    await credit.call(ctx, `${id}:credit`);
  } catch (cause) {
    const [undoing, cancel] = context.withTimeout(context.withoutCancel(ctx), 5_000);
    using _ = cancel;
    await retry.run(undoing, (ctx) => debit.undo(ctx, `${id}:debit`), POLICY).catch(() => dead(`${id}:debit`));
    throw cause;
  }
};
