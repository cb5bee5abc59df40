/**
 * One listener on an AbortSignal, whoever and however many want to hear of it.
 *
 * Listeners on a signal are dear to add and to remove, more than ten of them make Node 20 print a warning, and what is left on a
 * long-lived signal is the classic leak of JavaScript servers. So the library hangs a single one on each signal, and takes it off
 * with the last who listened. Another's listener may keep the event from those after it, so there is a second listener where nobody
 * else listens: on a signal that the platform lets abort with the first, by `AbortSignal.any`.
 *
 * Invariants:
 * - When a signal aborts, all who listen have been told before the follow-up of any of them runs.
 * - What counts is whether the signal has aborted: an event alone says nothing, for anybody can dispatch one.
 */
import { attempt } from "./foreign.ts";

/** Called when the signal aborts, at most once. What it returns is called when all others have been told. */
type Listener = () => (() => void) | undefined;

/** A signal, and those who listen to it. */
class Ear {
  private readonly signal: AbortSignal;
  /** Aborts with it, and is ours alone; undefined for a look-alike, of which there can be no other. */
  private readonly echo: AbortSignal | undefined;
  private readonly listeners: Set<Listener> = new Set();

  constructor(signal: AbortSignal) {
    this.signal = signal;
    this.echo = attempt(() => AbortSignal.any([signal]));
  }

  add(listener: Listener): void {
    if (this.listeners.size === 0) {
      this.signal.addEventListener("abort", this.heard);
      this.echo?.addEventListener("abort", this.heard);
    }
    this.listeners.add(listener);
  }

  delete(listener: Listener): void {
    if (this.listeners.delete(listener) && this.listeners.size === 0) this.leave();
  }

  private readonly heard = (): void => {
    if (!this.signal.aborted) return;
    const all = [...this.listeners];
    this.listeners.clear();
    this.leave();
    for (const followUp of all.map((listener) => listener())) followUp?.();
  };

  private leave(): void {
    // A look-alike that cannot let go must not keep the others from their end.
    attempt(() => this.signal.removeEventListener("abort", this.heard));
    this.echo?.removeEventListener("abort", this.heard);
  }
}

/** Kept as long as the signal, which would hold a second echo besides the first. */
const ears: WeakMap<AbortSignal, Ear> = /* @__PURE__ */ new WeakMap();

/** Calls `listener` when `signal`, which has not aborted yet, aborts. Returns how to stop listening. */
export function onAbort(signal: AbortSignal, listener: Listener): () => void {
  let ear = ears.get(signal);
  if (ear === undefined) ears.set(signal, (ear = new Ear(signal)));
  ear.add(listener);
  return () => ear.delete(listener);
}
