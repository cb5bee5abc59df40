/**
 * One listener on an AbortSignal, whoever and however many want to hear of it.
 *
 * Listeners on a signal are dear to add and to remove, more than ten of them make Node 20 print a warning, and what is left on a
 * long-lived signal is the classic leak of JavaScript servers. So the library hangs a single one on each signal, and takes it off
 * with the last who listened.
 *
 * Invariant: when a signal aborts, all who listen have been told before the follow-up of any of them runs.
 */

/** Called when the signal aborts, at most once. What it returns is called when all others have been told. */
type Listener = () => (() => void) | undefined;

const listeners: WeakMap<AbortSignal, Set<Listener>> = /* @__PURE__ */ new WeakMap();

/** Calls `listener` when `signal`, which has not aborted yet, aborts. Returns how to stop listening. */
export function onAbort(signal: AbortSignal, listener: Listener): () => void {
  const known = listeners.get(signal);
  const all = known ?? new Set<Listener>();
  if (known === undefined) {
    listeners.set(signal, all);
    signal.addEventListener("abort", aborted);
  }
  all.add(listener);
  return () => {
    if (all.delete(listener) && all.size === 0) forget(signal);
  };
}

function aborted(this: AbortSignal): void {
  const all = [...(listeners.get(this) ?? [])];
  forget(this);
  for (const followUp of all.map((listener) => listener())) followUp?.();
}

function forget(signal: AbortSignal): void {
  listeners.delete(signal);
  signal.removeEventListener("abort", aborted);
}
