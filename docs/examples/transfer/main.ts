/**
 * A transfer between two banks, cancelled at random moments.
 *
 *     npm run example -- transfer [--seed N] [--runs N] [--no-fence]
 *
 * There are four versions of it: what does each leave behind? The seed (1) decides when they are cancelled, `--runs` (600) how many there
 * are; with `--no-fence` the banks forget what was undone.
 *
 * Read the versions in the order of the table below, then `services.ts`, for no client can do it alone: see `--no-fence`.
 */
import process from "node:process";
import { detached } from "./detached.ts";
import { halfFix } from "./half-fix.ts";
import { optionsOf } from "./options.ts";
import { play } from "./play.ts";
import { sameCtx } from "./same-ctx.ts";
import type { Transfer } from "./transfer.ts";
import { withSaga } from "./with-saga.ts";

const VERSIONS: readonly (readonly [name: string, transfer: Transfer])[] = [
  ["rollback on the same ctx", sameCtx],
  ["detached ctx, one try", detached],
  ["detached ctx and retries, of the debit only", halfFix],
  ["headgate/saga", withSaga],
];

const { seed, runs, "no-fence": noFence } = optionsOf({ seed: 1, runs: 600, "no-fence": false });
const options = { seed, runs, fence: !noFence };

console.log(
  `${options.runs} transfers, each cancelled after 0 to 22 ms; one undo in five is answered with 503.\n` +
    `seed ${options.seed}; the banks keep ${options.fence ? "a" : "no"} fence\n\n` +
    "version                                     | dead letters | half-done pairs\n" +
    "------------------------------------------- | ------------ | ---------------",
);
for (const [name, transfer] of VERSIONS) {
  const { deadLetters, halfDone } = await play(transfer, options);
  console.log(`${name.padEnd(43)} | ${String(deadLetters).padStart(12)} | ${String(halfDone).padStart(15)}`);
  if (transfer === withSaga && options.fence && deadLetters + halfDone > 0) process.exitCode = 1;
}
