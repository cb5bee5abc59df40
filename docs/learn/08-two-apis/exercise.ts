/**
 * Exercise 8: a transfer that notes each call, and undoes what it has noted, the last one first. One line stands in the wrong place.
 */
import { context, type Context, retry } from "headgate";
import type { Bank } from "../scenarios/banks.ts";

export async function transfer(ctx: Context, debit: Bank, credit: Bank): Promise<void> {
  const begun: Bank[] = [];
  try {
    for (const bank of [debit, credit]) {
      await bank.call(ctx, "t1");
      begun.push(bank);
    }
  } catch (cause) {
    const [undoing, cancel] = context.withTimeout(context.withoutCancel(ctx), 5_000);
    using _ = cancel;
    for (const bank of begun.reverse()) await retry.run(undoing, (ctx) => bank.undo(ctx, "t1"));
    throw cause;
  }
}
