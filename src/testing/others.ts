/**
 * Other copies of headgate that are used in a bubble: the kit sees nothing of what they do, so it has to say that there are some.
 *
 * While bubbles run, each other copy asks us about everything it does. It gets no answer, and so does what it always does; but we know.
 */
import { copies, type Copy } from "../internal/copies.ts";
import { install } from "../internal/runtime.ts";
import { platform } from "./platform.ts";
import type { Seam } from "../internal/seam.ts";

/** What a user has to know of it, and to do. */
export const OTHER_COPY =
  "another copy of headgate is used in this bubble: its time is real, and its waits are not seen, so no deadlock, leak or order of theirs is found; make sure that one copy is installed (npm ls headgate), that libraries have headgate among their peerDependencies, and that it is neither bundled nor loaded by require a second time";

let told: (() => void) | undefined;

const witness: Seam = {
  bubble() {
    told?.();
    return null;
  },
  created: () => told?.(),
  cancelCalled: () => {},
};

/** From now on `used` is called when another copy does anything, in whosever code. */
export function observe(used: () => void): void {
  told = used;
  askAll(witness);
  const all = copies();
  if (all !== undefined) all.met = (copy) => ask(copy, witness);
}

export function unobserve(): void {
  told = undefined;
  askAll(null);
  const all = copies();
  if (all !== undefined) all.met = undefined;
}

function askAll(seam: Seam | null): void {
  for (const known of copies() ?? []) ask(known.deref(), seam);
}

function ask(copy: Copy | undefined, seam: Seam | null): void {
  if (copy !== install) copy?.(seam);
}

let hasWarned = false;

/** Says so, once in a process. */
export function warn(where: string): void {
  if (hasWarned) return;
  hasWarned = true;
  const message = `${where}: ${OTHER_COPY}`;
  if (platform.process?.emitWarning !== undefined) platform.process.emitWarning(message, "HeadgateWarning");
  else platform.console?.warn(message);
}
