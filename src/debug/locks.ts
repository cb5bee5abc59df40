/**
 * The state of an object that is waited on, and the holder of a lock.
 *
 * Invariant: in one dump an object is asked for its state once, because a Chan counts its waiters to answer.
 */
import { nil } from "../chan/chan.ts";
import { isA } from "../internal/foreign.ts";
import { Weighted } from "../semaphore.ts";
import { Mutex, RWMutex } from "../sync/index.ts";
import { infoOf } from "./info.ts";
import { isKnown } from "./name.ts";

/** The states of objects in one dump. */
export class States {
  private readonly states: Map<object, string> = new Map();

  /** The object as text, such as `sync.Mutex(locked, 1 waiting)`; empty for nil, and what is not headgate's. */
  of(object: object): string {
    let state = this.states.get(object);
    if (state === undefined) this.states.set(object, (state = textOf(object)));
    return state;
  }
}

function textOf(object: object): string {
  return isKnown(object) && infoOf(object)?.parent !== nil ? String(object) : "";
}

/** The function and the line that took this lock last, or that its stack was not taken; empty if it is free or no lock. */
export function heldBy(object: object): string {
  if (!isHeld(object)) return "";
  const info = infoOf(object);
  const text = info?.holder?.site.text ?? "";
  return text !== "" ? text : `(${withoutStack(info?.places?.get("held")?.stack.site.text)})`;
}

/** What is said of a call whose stack was not taken. `before` is the place of an earlier one. */
export function withoutStack(before: string | undefined): string {
  return before === undefined || before === ""
    ? "no stack was taken"
    : `no stack was taken; an earlier call was at ${before}`;
}

function isHeld(object: object): boolean {
  if (isA(object, Mutex)) return object["locked"];
  if (isA(object, RWMutex)) return object["writing"] || object["readers"] > 0;
  return isA(object, Weighted) && object["acquired"] > 0;
}
