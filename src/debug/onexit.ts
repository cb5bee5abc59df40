/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A dump at the end of a process that has run out of events while something waits: Go's "all goroutines are asleep".
 */
import { type CancelFunc, disposable } from "../context/cancel.ts";
import { dump, type Dump } from "./dump.ts";
import { prepareSearch } from "./heap.ts";
import { platform, writeError } from "./platform.ts";

/** Node's exit code for a module that still awaits something. */
const UNSETTLED = 13;

/**
 * Writes a {@link dump} to stderr when the event loop has run dry, and an operation of headgate still waits. If the main
 * module itself awaits something, the exit code is 13, and the first line has Go's words. If the exit code is another,
 * tasks have silently ended in the middle.
 *
 * It costs nothing until then. Without {@link watch} the dump has no lines; and what nothing can wake is not in it,
 * because the garbage collector has taken it. So call `watch` as well while you search for the place.
 *
 * A process that is ended by `process.exit`, a signal or an error writes none. Returns the function that stops it.
 *
 * **Errors**: Error if there is no `process`.
 *
 * @see Go's [runtime.checkdead](https://go.dev/src/runtime/proc.go)
 * @example
 * ```ts
 * import { Chan, go } from "headgate";
 * import * as debug from "headgate/debug";
 *
 * debug.onExit();
 * debug.watch();
 * const letters = debug.name(new Chan<string>(), "letters");
 * go(() => letters.send("a letter")); // stderr says at the end that it waits, and in which line
 * ```
 */
export function onExit(): CancelFunc {
  const { process } = platform;
  if (process?.on === undefined || process.off === undefined)
    throw new Error("onExit: there is no process here whose end could be seen");
  void prepareSearch();
  let isDry = false;
  const onDry = (): void => void (isDry = true);
  const onEnd = (code: number): void => {
    // Node 20 passes 0 for an unsettled module, and has 13 in `process.exitCode`.
    if (isDry) writeError(lastWords(code || Number(platform.process?.exitCode ?? 0)));
  };
  process.on("beforeExit", onDry);
  process.on("exit", onEnd);
  return disposable(() => {
    process.off!("beforeExit", onDry);
    process.off!("exit", onEnd);
  });
}

/** The text for the exit code; empty if nothing waits. */
function lastWords(code: number): string {
  let found: Dump | undefined;
  try {
    found = dump();
  } catch {
    // The platform cannot search the heap.
  }
  const count = found === undefined ? 0 : found.counts.waits + found.counts.leaks;
  const isDeadlock = code === UNSETTLED;
  if (count === 0 && !isDeadlock) return "";
  const first = isDeadlock
    ? "headgate: all goroutines are asleep - deadlock! The main module awaits what can never happen."
    : `headgate: the program has ended, and ${count} operation${count === 1 ? "" : "s"} still waited.`;
  const advice =
    count === 0 ? "\nWhat it waits for cannot be found any more: call debug.watch() when the program starts." : "";
  return `${first}${advice}\n${found === undefined || count === 0 ? "" : `\n${String(found)}\n`}`;
}
