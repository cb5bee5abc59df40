/**
 * The lock that lets one bubble run at a time.
 *
 * Invariant: a bubble releases it when it has ended, and while only the world outside can help it on.
 */
let isLocked = false;
const waiting: (() => void)[] = [];

/** Calls `f`, now or later, when no bubble runs. The caller must call {@link release} in the end. */
export function acquire(f: () => void): void {
  if (isLocked) {
    waiting.push(f);
  } else {
    isLocked = true;
    f();
  }
}

/** Hands the lock to the next in line. */
export function release(): void {
  const next = waiting.shift();
  if (next === undefined) isLocked = false;
  else next();
}
