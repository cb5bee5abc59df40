/**
 * Where waiting time goes: Go's block and mutex profiles.
 */
import { pprof } from "./pprof.ts";
import { epoch } from "./platform.ts";
import { type Frame, textOf } from "./stack.ts";
import { current } from "./watch.ts";

/** The waits of one operation at one place. The numbers are extrapolated from the waits that were timed. */
export interface Row {
  /** The operation, such as `recv` or `lock`. */
  readonly op: string;
  /** The lines of the call, the innermost first. */
  readonly stack: readonly Frame[];
  /** The number of waits. */
  readonly count: number;
  /** Their time in all, in ms. */
  readonly total: number;
  /** The longest of those that were timed, in ms. */
  readonly longest: number;
  /** The number of waits by duration: below 2 µs, below 4 µs, below 8 µs and so on; the last has all from 8 s. */
  readonly histogram: readonly number[];
}

/** Where waiting time goes. It is plain JSON. */
export interface Profile {
  /** The most expensive first. */
  readonly rows: readonly Row[];
  /** A table of the rows. */
  toString(): string;
  /** The profile in the format of pprof, not compressed: `go tool pprof`, Speedscope and Pyroscope read it. */
  toPprof(): Uint8Array;
}

/**
 * Returns where waiting time has gone since {@link watch}, by place and operation. The rows of `lock`, `rLock` and
 * `acquire` are Go's mutex profile. A wait is counted when it ends; those that have not are in a {@link dump}.
 *
 * At most `samples` waits a second are timed, chosen at random; each stands for those around it. So a place with few
 * and short waits may be missing.
 *
 * **Errors**: throws an Error if nothing is watched.
 *
 * @see Go's [block profile](https://pkg.go.dev/runtime#SetBlockProfileRate)
 * @example
 * ```ts
 * import { Chan, go, time } from "headgate";
 * import * as debug from "headgate/debug";
 *
 * using _ = debug.watch();
 * const results = new Chan<number>();
 * go(async () => {
 *   await time.sleep(5);
 *   await results.send(1);
 * });
 * await results.recv();
 * console.log(debug.profile().rows.some(({ op }) => op === "recv")); // => true
 * ```
 */
export function profile(): Profile {
  const watching = current()?.watching;
  if (watching === undefined) throw new Error("profile: nothing is watched; call watch() before what is to be timed");
  const rows = watching.tallies.all().map(({ op, site, count, total, longest, histogram }): Row => ({
    op,
    stack: site.frames,
    count,
    total,
    longest,
    histogram: [...histogram],
  }));
  rows.sort((a, b) => b.total - a.total);
  const made = epoch();
  // Not enumerable, so that it is plain JSON.
  const methods: PropertyDescriptorMap = {
    toString: { value: () => tableOf(rows) },
    toPprof: { value: () => pprofOf(rows, made) },
  };
  return Object.defineProperties({ rows }, methods) as unknown as Profile;
}

function tableOf(rows: readonly Row[]): string {
  const all = rows.reduce((sum, { total }) => sum + total, 0);
  const lines = [["total", "share", "waits", "longest", "operation", "place"]];
  for (const { op, stack, count, total, longest } of rows) {
    const share = all === 0 ? 0 : (100 * total) / all;
    const [frame] = stack;
    lines.push([
      `${total.toFixed(1)}ms`,
      `${share.toFixed(1)}%`,
      String(count),
      `${longest.toFixed(1)}ms`,
      op,
      frame === undefined ? "(no stack was taken)" : textOf(frame),
    ]);
  }
  const widths = lines[0]!.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
  // Numbers are aligned to the right, the rest to the left.
  const cell = (text: string, i: number): string => (i < 4 ? text.padStart(widths[i]!) : text.padEnd(widths[i]!));
  return lines.map((line) => line.map(cell).join("  ").trimEnd()).join("\n");
}

/** The sample types are those of Go's block profile. */
function pprofOf(rows: readonly Row[], time: number): Uint8Array {
  const samples = rows.map(({ op, stack, count, total }) => ({ stack, values: [count, total * 1e6], labels: { op } }));
  return pprof(
    [
      ["contentions", "count"],
      ["delay", "nanoseconds"],
    ],
    samples,
    time,
  );
}
