/**
 * What the tests of the debugger share: turns of the event loop, and garbage collections.
 */
import * as debug from "headgate/debug";

/** Lets everything run that is due, without a timer. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What `act` returns, while the program is watched: each wait has a line. */
export async function watched<T>(
  act: (leaks: debug.Leak[]) => Promise<T>,
  options: debug.WatchOptions = {},
): Promise<T> {
  const leaks: debug.Leak[] = [];
  // Only sweeps that are asked for, by `leaks()`.
  const watching = debug.watch({ stacks: Infinity, sweep: 60_000, onLeak: (leak) => leaks.push(leak), ...options });
  try {
    return await act(leaks);
  } finally {
    watching[Symbol.dispose]();
  }
}

/** The line that has called the caller of this function, as reports name it. `file` is in this folder. */
export function lineOf(file: string): string {
  const [found] = new RegExp(`test/debug/${file}:\\d+`).exec(new Error().stack!.split("\n")[3]!)!;
  return found;
}
