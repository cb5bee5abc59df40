/**
 * A clock for tests of timers: no test waits for real time to pass.
 */
import { afterEach, beforeEach, vi } from "vitest";

/** Makes the time of the tests of this describe block virtual. It stands still until {@link elapse} moves it. */
export function virtualTime(): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"], now: Date.UTC(2000, 0, 1) });
  });
  afterEach(() => {
    vi.useRealTimers();
  });
}

/**
 * Lets `ms` milliseconds pass: timers fire in order, and the code that they resume runs before the next one fires. On a busy machine the
 * library holds back what can run for a turn of the event loop, or several. So the time passes in parts, with some turns in between: if no
 * timer is set while code is held back, all of a part passes at once.
 */
export async function elapse(ms: number): Promise<void> {
  await turns(5);
  const part = Math.max(10, Math.ceil(ms / 100));
  for (let left = ms; ; left -= part) {
    await vi.advanceTimersByTimeAsync(Math.min(left, part));
    if (left <= part) break;
    await turns(4);
  }
  await turns(20);
}

/** Lets `n` turns of the event loop pass. */
export async function turns(n: number): Promise<void> {
  for (let i = 0; i < n; i++) await settle();
}

/** How many platform timers are set. */
export function timersSet(): number {
  return vi.getTimerCount();
}

/** Lets everything run that can run now. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** Says whether a promise is still pending, when everything that can run now has run. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  promise.then(
    () => (pending = false),
    () => (pending = false),
  );
  await settle();
  return pending;
}
