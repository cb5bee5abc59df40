/**
 * The tasks of a bubble, and what each of them waits for.
 *
 * Invariants:
 * - A task is ready (something of it is in the queue of the bubble), blocked (it waits in an operation of the library), waiting for
 *   something outside, or gone.
 * - An operation is in `task.waits` from its call until its result is put into the queue.
 */
import type { Waiter } from "../internal/waitqueue.ts";
import type { Place } from "./callsite.ts";
import type { Room } from "./scheduler.ts";
import { type Parked } from "../internal/waitqueue.ts";

/** A task, as reports show it. */
export interface TaskInfo {
  /** The name of its function, or what `t.name` says; made unique by a number. */
  readonly name: string;
  /** "outside" waits for a promise that is not headgate's; "ended" has left operations behind that nobody awaits. */
  readonly state: "running" | "ready" | "blocked" | "outside" | "ended";
  /** The operations it waits in, such as `recv ch1`. */
  readonly blockedOn: readonly string[];
  /** How long it has been waiting, in ms of the bubble's time. */
  readonly since: number;
  /** Where it waits, or where it was started: file:line:column. Empty where the platform does not say. */
  readonly at: string;
}

/** The operations that only somebody outside can end. */
const OUTSIDE: ReadonlySet<string> = new Set(["external", "context.wait"]);

/** One call of an operation that waits. It is also the entry in the queue of what may go on. */
export class Wait implements Parked {
  readonly task: Task;
  readonly op: string;
  readonly on: unknown;
  readonly value: unknown;
  /** In the bubble's time. */
  readonly begun: number;
  readonly place: Place;
  /** What lets the caller go on, and with what; set when the wait is over. */
  private settle: ((result: never) => void) | null = null;
  result: unknown = undefined;
  failed = false;

  constructor(task: Task, op: string, on: unknown, value: unknown, begun: number, place: Place) {
    this.task = task;
    this.op = op;
    this.on = on;
    this.value = value;
    this.begun = begun;
    this.place = place;
    task.waits.push(this);
  }

  ready(waiter: Waiter, result: unknown, failed: boolean): void {
    this.end(failed ? waiter.reject : waiter.resolve, result, failed);
  }

  end(settle: (result: never) => void, result: unknown, failed: boolean): void {
    this.settle = settle;
    this.result = result;
    this.failed = failed;
    const { waits, room } = this.task;
    waits.splice(waits.indexOf(this), 1);
    room.enqueue(this);
  }

  /** Lets the caller of the operation go on. */
  resume(): void {
    this.settle!(this.result as never);
  }
}

/** What may be picked from the queue of a bubble: a wait that is over, or a task that begins. */
export interface Resumption {
  readonly task: Task;
  resume(): void;
}

export class Task {
  readonly room: Room;
  readonly name: string;
  /** Where it was started. */
  readonly place: Place;
  readonly waits: Wait[] = [];
  /** How many of its resumptions are in the queue. */
  queued = 0;
  /** Its function has returned, and what it returned has settled. */
  ended = false;

  constructor(room: Room, name: string, place: Place) {
    this.room = room;
    this.name = name;
    this.place = place;
  }

  /** Nothing more can come of it. */
  get isGone(): boolean {
    return this.ended && this.queued === 0 && this.waits.length === 0;
  }

  /**
   * Whether somebody outside of the bubble must act before it can go on. Awaiting a promise of headgate's and one from outside at the
   * same time counts as blocked, unless the latter was brought in by `t.external`.
   */
  get isOutside(): boolean {
    if (this.queued > 0) return false;
    let isBlocked = false;
    for (const { op } of this.waits) {
      if (op === "external") return true;
      if (!OUTSIDE.has(op)) isBlocked = true;
    }
    return !this.ended && !isBlocked;
  }

  private get state(): "ready" | "blocked" | "outside" | "ended" {
    if (this.queued > 0) return "ready";
    if (this.isOutside) return "outside";
    return this.ended ? "ended" : "blocked";
  }

  /** Whether it has brought a promise from outside into the schedule itself. */
  get isExternal(): boolean {
    return this.waits.some(({ op }) => op === "external");
  }

  info(now: number, isRunning: boolean, describe: (wait: Wait) => string): TaskInfo {
    const { waits } = this;
    return {
      name: this.name,
      state: isRunning ? "running" : this.state,
      blockedOn: waits.map(describe),
      since: waits.length === 0 ? 0 : now - Math.min(...waits.map((wait) => wait.begun)),
      at: waits[0]?.place.at || this.place.at,
    };
  }
}

/** A task as one line of a report. */
export function lineOf(task: TaskInfo): string {
  const where = task.at === "" ? "" : ` at ${task.at}`;
  const doing =
    task.state === "outside"
      ? `awaits a promise that is not headgate's${task.blockedOn.length === 0 ? "" : ` (${task.blockedOn.join(", ")})`}`
      : task.state === "blocked"
        ? `blocked ${task.since}ms in ${task.blockedOn.join(" and ")}`
        : task.state === "ended"
          ? `has returned, and nobody awaits its ${task.blockedOn.join(" and ")}`
          : task.state;
  const hint = task.state === "outside" && task.blockedOn.length === 0 && where !== "" ? " (started there)" : "";
  return `  ${task.name.padEnd(12)} ${doing}${where}${hint}`;
}
