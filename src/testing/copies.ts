/**
 * Other copies of headgate in a bubble. The kit sees nothing of what they do, so it warns that they are used.
 *
 * While bubbles run, every other copy asks our seam about each of its operations. The answer is always "no bubble", so
 * the copy behaves as ever; but the question shows that it is used.
 */
import { copies, type Copy } from "../internal/copies.ts";
import { install } from "../internal/runtime.ts";
import type { Seam } from "../internal/seam.ts";
import { platform } from "./platform.ts";

/** Says what is not seen of another copy, and how to get rid of it. */
export const OTHER_COPY =
  "another copy of headgate is used in this bubble: its time is real, and its waits are not seen, so no deadlock, leak or order of theirs is found. Make sure that one copy is installed (npm ls headgate). Libraries should have headgate among their peerDependencies, and it must neither be bundled nor loaded by require a second time";

let onUse: (() => void) | undefined;

const observer: Seam = {
  bubble() {
    onUse?.();
    return null;
  },
  created: () => onUse?.(),
  cancelCalled: () => {},
};

/** Calls `used` whenever another copy does anything, in whatever code. */
export function observe(used: () => void): void {
  onUse = used;
  installAll(observer);
  const all = copies();
  if (all !== undefined) all.met = (copy) => installIn(copy, observer);
}

/** Ends {@link observe}. */
export function unobserve(): void {
  onUse = undefined;
  installAll(null);
  const all = copies();
  if (all !== undefined) all.met = undefined;
}

function installAll(seam: Seam | null): void {
  for (const known of copies() ?? []) installIn(known.deref(), seam);
}

function installIn(copy: Copy | undefined, seam: Seam | null): void {
  if (copy !== install) copy?.(seam);
}

let hasWarned = false;

/** Warns about {@link OTHER_COPY}, once in a process. */
export function warn(where: string): void {
  if (hasWarned) return;
  hasWarned = true;
  const message = `${where}: ${OTHER_COPY}`;
  if (platform.process?.emitWarning !== undefined) platform.process.emitWarning(message, "HeadgateWarning");
  else platform.console?.warn(message);
}
