/**
 * The watch of a bubble: the function of `t.watch`, which is called after each step, and its snapshots.
 *
 * Invariant: the function changes nothing. What it calls of headgate may be read from, and everything else is refused.
 */
import { hasMethod } from "../internal/foreign.ts";
import { thrownText } from "./format.ts";

export class Watch {
  /** The function is being called. */
  isLooking = false;
  /** The snapshot that it returned last, as plain data: the same object as long as nothing changes. Undefined: nothing. */
  snapshot: unknown;
  private look: (() => unknown) | null = null;
  private json: string | undefined;

  get isSet(): boolean {
    return this.look !== null;
  }

  set(look: () => unknown): void {
    if (this.look !== null) {
      throw new Error("t.watch: a function watches already; let one function return everything that is to be seen");
    }
    this.look = look;
  }

  /** Calls the function. Throws the error to fail the test with. */
  take(): void {
    this.isLooking = true;
    try {
      const json = textOf(this.call());
      if (json === this.json) return;
      this.json = json;
      this.snapshot = json === undefined ? undefined : JSON.parse(json);
    } finally {
      this.isLooking = false;
    }
  }

  private call(): unknown {
    try {
      return this.look!();
    } catch (error) {
      throw new Error(`t.watch: its function threw: ${thrownText(error)}`, { cause: error });
    }
  }
}

/** The snapshot as JSON; undefined if it is undefined. */
function textOf(snapshot: unknown): string | undefined {
  if (hasMethod(snapshot, "then")) {
    throw new TypeError("t.watch: its function returned a promise; return the snapshot itself");
  }
  try {
    return JSON.stringify(snapshot);
  } catch (error) {
    throw new TypeError(`t.watch: the snapshot cannot be written as JSON: ${thrownText(error)}`, { cause: error });
  }
}

/** The error of something that only looks, and did something. */
export function mayOnlyLook(): Error {
  return new Error(
    "t.watch: its function used an operation of headgate; it may only look: ch.length, String(ch), ctx.err(), time.now(), t.tasks()",
  );
}
