/**
 * Facts about an object of headgate's, kept in the object itself, because to look it up in a WeakMap at each operation
 * takes ten times as long. Only as many objects have one as the budget of stacks allows.
 */
import type { Stack } from "./stack.ts";

export interface Info {
  readonly id: number;
  /** Where it was made; null: it is not known. */
  readonly made: Stack | null;
  /** When, on the platform's clock. */
  readonly at: number;
  /** The context that a done channel is a part of, or nil. */
  readonly parent: object | undefined;
  /** Where a lock was taken last; null: it is not known. */
  holder: Stack | null;
  /** By operation, the last call whose stack was taken, and of `held` the last that took the lock. Null: there is none. */
  places: Map<string, Place> | null;
}

/** A call on an object. */
interface Place {
  readonly stack: Stack;
  /** The number of the sweep before it. */
  readonly sweep: number;
}

const INFO: unique symbol = /* @__PURE__ */ Symbol("headgate.debug.info") as never;

export function infoOf(object: object): Info | undefined {
  return (object as { [INFO]?: Info })[INFO];
}

/** Not enumerable, so that no comparison of two objects finds it. */
export function setInfo(object: object, info: Info): void {
  Reflect.defineProperty(object, INFO, { value: info, configurable: true, enumerable: false, writable: true });
}
