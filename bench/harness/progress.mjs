/** The progress of a run, on standard error: a line that changes on a terminal, and a line a round elsewhere. */
import process from "node:process";

const isWatched = process.stderr.isTTY;
const begun = performance.now();

export function say(text) {
  process.stderr.write(`${isWatched ? "\r\x1b[K" : ""}${text}\n`);
}

export function progress({ round, done, all, cell: { row, size, contender } }) {
  if (isWatched) {
    const what = `${contender.name}, ${row.title}${size === undefined ? "" : `, N = ${size}`}`;
    const isLast = done === all - 1;
    // What takes more than a line is not overwritten.
    const line = `round ${round + 1}, ${done + 1} of ${all}: ${what}`.slice(0, (process.stderr.columns || 80) - 1);
    process.stderr.write(`\r\x1b[K${line}${isLast ? "\r\x1b[K" : ""}`);
  } else if (done === 0) {
    say(`round ${round + 1}, after ${Math.round((performance.now() - begun) / 1000)} s: ${all} samples`);
  }
}
