/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A dump at a signal, as Go and the JVM write theirs at SIGQUIT.
 */
import { type CancelFunc, disposable } from "../context/cancel.ts";
import { mustBeFunction } from "../internal/args.ts";
import { textOf } from "../internal/foreign.ts";
import { listen, processHere, signalName } from "../internal/signals.ts";
import { dump } from "./dump.ts";
import { prepareSearch } from "./heap.ts";
import { writeError } from "./platform.ts";

/**
 * Writes a {@link dump} at each of these signals, and goes on. Go's ends the process, the JVM's goes on. It costs
 * nothing until the signal comes, and needs no {@link watch}: without one the dump says what waits, but not where.
 *
 * `SIGQUIT` is what `kill -QUIT pid` sends, and Ctrl-\ in a terminal; on Windows take `SIGBREAK`, Ctrl-Break. Leave
 * `SIGUSR1` to Node, which starts its inspector by it. `SIGUSR2` is often taken, by nodemon or for Node's reports.
 *
 * The dump is written by the event loop, so a loop that is blocked by code writes none. For that one use `--cpu-prof`.
 *
 * Returns the function that stops it. `write` gets the text, by default stderr does; an error that it throws is
 * uncaught.
 *
 * **Errors**: TypeError for a name that no platform has; RangeError for a signal that cannot be caught. Error if there
 * is no `process`, and in a worker thread, which gets no signals.
 *
 * @see Go's [SIGQUIT](https://pkg.go.dev/os/signal#hdr-Default_behavior_of_signals_in_Go_programs)
 * @example
 * ```ts
 * import process from "node:process";
 * import * as debug from "headgate/debug";
 *
 * const stop = debug.onSignal("SIGQUIT", (text) => console.log(text.slice(0, 8)));
 * process.kill(process.pid, "SIGQUIT"); // => headgate
 * setTimeout(stop, 1_000);
 * ```
 */
export function onSignal(signal: string = "SIGQUIT", write: (text: string) => void = writeError): CancelFunc {
  const name = signalName(signal, "onSignal");
  mustBeFunction(write, "onSignal");
  processHere("onSignal");
  void prepareSearch();
  return disposable(listen([name], "onSignal", () => write(`${dumpText()}\n`)));
}

/** The text of a dump, or why there is none: a signal has no caller that could catch an error. */
export function dumpText(): string {
  try {
    return String(dump());
  } catch (error) {
    return `headgate: ${textOf(error)}`;
  }
}
