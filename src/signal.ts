/**
 * The signals of the process as the end of contexts: Go's package `os/signal`, and a two-stage shutdown.
 *
 * Invariant: while a context waits for a signal, the signal does not have its default effect (N3).
 */
import { CancelCtx, type CancelFunc, disposable, propagateCancel, withCancelCause } from "./context/cancel.ts";
import { mustBeParent } from "./context/context.ts";
import { Canceled } from "./context/errors.ts";
import { textOf } from "./context/text.ts";
import { listen, processHere, signalName } from "./internal/signals.ts";
import type { Context } from "./types.ts";

/** The names, checked and without duplicates; SIGINT and SIGTERM if there are none. */
function namesOf(signals: readonly string[], where: string): readonly string[] {
  for (const name of signals) signalName(name, where);
  return signals.length === 0 ? ["SIGINT", "SIGTERM"] : [...new Set(signals)];
}

function received(signal: string): Canceled {
  return new Canceled(`${signal} signal received`);
}

/**
 * Derives a context that ends when one of the signals arrives, when `stop` is called, or when `parent` ends. Without names it listens
 * for SIGINT and SIGTERM. After a signal the error is Canceled. The cause is a Canceled that names the signal, such as "SIGTERM signal
 * received" (N2).
 *
 * The listener stays until `stop()`. Until then further signals are swallowed, and a second Ctrl-C does not end the process (N3). So
 * call `stop` as soon as the context has ended, or use {@link shutdown}.
 *
 * Waiting for a signal does not keep the process alive: a program with nothing else to do ends.
 *
 * **Errors**: throws "cannot create context from nil parent". TypeError for a name that no platform has; RangeError for a signal that
 * cannot be caught. Error if there is no `process`, and in a worker thread, which gets no signals.
 *
 * @see Go's [signal.NotifyContext](https://pkg.go.dev/os/signal#NotifyContext)
 * @example
 * ```ts
 * import process from "node:process";
 * import { context } from "headgate";
 * import { notifyContext } from "headgate/signal";
 *
 * const [ctx, stop] = notifyContext(context.background(), "SIGTERM");
 * process.kill(process.pid, "SIGTERM");
 * await ctx.done().recv();
 * stop();
 * console.log(String(context.cause(ctx))); // => AbortError: SIGTERM signal received
 * ```
 */
export function notifyContext(parent: Context, ...signals: string[]): readonly [ctx: Context, stop: CancelFunc] {
  mustBeParent(parent, "notifyContext");
  const names = namesOf(signals, "notifyContext");
  processHere("notifyContext");
  const ctx = new NotifyCtx(parent, names);
  propagateCancel(parent, ctx);
  const unlisten = listen(names, "notifyContext", (signal) => ctx.cancel(received(signal)));
  const stop = disposable(() => {
    ctx.cancel(undefined);
    unlisten();
  });
  return [ctx, stop];
}

class NotifyCtx extends CancelCtx {
  private readonly names: readonly string[];

  constructor(parent: Context, names: readonly string[]) {
    super(parent);
    this.names = names;
  }

  override toString(): string {
    return `signal.NotifyContext(${textOf(this.parent)}, [${this.names.join(" ")}])`;
  }

  override toJSON(): string {
    return `signal.NotifyContext([${this.names.join(" ")}])${this.outcomeText()}`;
  }
}

/**
 * A shutdown in stages, for programs that drain. The first signal ends `stop`: take nothing new, finish what you have. The second
 * ends `abort` too: drop it. The third has the platform's default effect (the process dies), unless other code listens for it. Without
 * names it listens for SIGINT and SIGTERM; each of them counts. The causes are as with {@link notifyContext}.
 *
 * `release` ends both contexts and removes the listeners. Call it when the program has stopped.
 *
 * **Errors**: as with {@link notifyContext}.
 *
 * @example
 * ```ts
 * import process from "node:process";
 * import { context } from "headgate";
 * import { shutdown } from "headgate/signal";
 *
 * const [stop, abort, release] = shutdown(context.background(), "SIGTERM");
 * using _ = release;
 * process.kill(process.pid, "SIGTERM");
 * await stop.done().recv();
 * console.log(String(context.cause(stop)), abort.err()); // => AbortError: SIGTERM signal received undefined
 * ```
 */
export function shutdown(
  parent: Context,
  ...signals: string[]
): readonly [stop: Context, abort: Context, release: CancelFunc] {
  mustBeParent(parent, "shutdown");
  const names = namesOf(signals, "shutdown");
  processHere("shutdown");
  const [abort, cancelAbort] = withCancelCause(parent);
  const [stop, cancelStop] = withCancelCause(abort);
  const unlisten = listen(names, "shutdown", (signal) => {
    if (stop.err() === undefined) {
      cancelStop(received(signal));
    } else {
      cancelAbort(received(signal));
      unlisten();
    }
  });
  const release = disposable(() => {
    cancelAbort();
    unlisten();
  });
  return [stop, abort, release];
}
