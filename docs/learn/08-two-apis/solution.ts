/** Solution 8: a call is noted before it is sent, because it may arrive without an answer. */
import { context, type Context, retry } from "headgate";
import type { Bank } from "../scenarios/banks.ts";

export async function transfer(ctx: Context, debit: Bank, credit: Bank): Promise<void> {
  const begun: Bank[] = [];
  try {
    for (const bank of [debit, credit]) {
      begun.push(bank);
      await bank.call(ctx, "t1");
    }
  } catch (cause) {
    const [undoing, cancel] = context.withTimeout(context.withoutCancel(ctx), 5_000);
    using _ = cancel;
    for (const bank of begun.reverse()) await retry.run(undoing, (ctx) => bank.undo(ctx, "t1"));
    throw cause;
  }
}
