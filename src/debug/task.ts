/**
 * A task that the debugger knows: what `go` or a group has started.
 */
import { givenNames } from "../internal/names.ts";
import { NOWHERE, type Frame, type Site, type Stack } from "./stack.ts";

/** A task that runs. */
export interface Task {
  /** The name of its function, and its number, such as `worker#12`. */
  readonly name: string;
  /** The time since it began, in ms. */
  readonly age: number;
  /** The line that started it, file:line:column; empty if its stack was not taken. */
  readonly at: string;
  /** That line and those it was called from, the innermost first. */
  readonly stack: readonly Frame[];
}

/** What is remembered of a task. */
export class TaskRecord {
  readonly name: string;
  /** When its function was called, on the platform's clock. */
  begun = 0;
  stack: Stack | null;
  /** While it is young, the promise that its function has returned. */
  result: object | null = null;
  isOver = false;
  /** A wait of it has been found unreachable, so the task need not be reported as well. */
  hasLostWait = false;

  constructor(id: number, fn: unknown, stack: Stack | null) {
    this.name = `${givenNames.get(fn as object) ?? functionName(fn)}#${id}`;
    this.stack = stack;
  }

  get site(): Site {
    return this.stack === null ? NOWHERE : this.stack.site;
  }
}

function functionName(fn: unknown): string {
  const name: unknown = (fn as { name?: unknown }).name;
  return typeof name === "string" && name !== "" ? name : "task";
}
