/**
 * Many transfers over two banks, each cancelled at a moment of its own; and then the banks are asked what is left of them.
 */
import { context, errgroup } from "headgate";
import { apiOf } from "./api.ts";
import { chance } from "./chance.ts";
import { startService } from "./services.ts";
import type { Transfer } from "./transfer.ts";

export interface Options {
  readonly seed: number;
  readonly runs: number;
  /** Whether the banks keep a fence. true */
  readonly fence?: boolean;
}

export interface Account {
  /** How many transfers were done, for all that their callers know; the others were rolled back, for all they know. */
  readonly done: number;
  readonly rolledBack: number;
  readonly deadLetters: number;
  /** Transfers of which one half is applied, and the other is not. */
  readonly halfDone: number;
  /** Calls that reached their bank after their undo. */
  readonly late: number;
}

/** How many transfers run at a time. */
const CONCURRENCY = 4;

/** When each transfer is cancelled, in ms from its begin: anywhere between its first moment and a little after its usual end. */
export function cancellationPoints({ seed, runs }: Options): number[] {
  return Array.from({ length: runs }, (_, i) => 22 * chance(seed, "cancel", i));
}

export async function play(transfer: Transfer, options: Options): Promise<Account> {
  const [first, second] = [await startService(options), await startService(options)];
  const banks = { debit: apiOf(first.url), credit: apiOf(second.url) };
  const points = cancellationPoints(options);
  const letters = new Set<string>();
  let done = 0;

  const one = async (id: string, ms: number): Promise<void> => {
    const [ctx, cancel] = context.withTimeout(context.background(), ms);
    using _ = cancel;
    try {
      await transfer(ctx, id, banks, (key) => letters.add(key));
      done++;
    } catch {
      // The caller gets the error that it was rolled back.
    }
  };

  const group = new errgroup.Group();
  group.setLimit(CONCURRENCY);
  for (const [i, ms] of points.entries()) await group.go(() => one(`t${i}`, ms));
  await group.wait();
  await Promise.all([first.close(), second.close()]);

  const halfDone = points.filter((_, i) => first.applied.has(`t${i}:debit`) !== second.applied.has(`t${i}:credit`));
  return {
    done,
    rolledBack: points.length - done,
    deadLetters: letters.size,
    halfDone: halfDone.length,
    late: first.late + second.late,
  };
}
