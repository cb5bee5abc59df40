/**
 * Calling an observer: it looks on. Whatever it does, it changes nothing of what it is called for.
 */
import { hasMethod, promiseOf } from "./foreign.ts";

/** Calls `observer` with an event. The call is not awaited; an error that it throws, or rejects with, is ignored. */
export function emit<E>(observer: (event: E) => unknown, event: E): void {
  try {
    const result: unknown = observer(event);
    if (hasMethod(result, "then")) void promiseOf(result).catch(() => {});
  } catch {
    // It has no say in what happens next.
  }
}
