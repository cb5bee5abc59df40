/**
 * The tasks of a bubble, and the operations that each of them waits in.
 *
 * Invariants:
 * - A task is ready (a resumption of it is queued), blocked (it waits in an operation of the library), waiting for
 *   something outside, or gone.
 * - An operation is in `task.waits` from its call until its resumption is queued.
 */
import type { Op } from "../internal/seam.ts";
import type { Parked, Waiter } from "../internal/waitqueue.ts";
import type { CallSite } from "./callsite.ts";

/** A task, as reports show it. */
export interface TaskInfo {
  /** The name of its function, or the one given by `t.name`; a number makes it unique. */
  readonly name: string;
  /** "outside" waits for a promise that is not headgate's; "ended" has left operations behind that nothing awaits. */
  readonly state: "running" | "ready" | "blocked" | "outside" | "ended";
  /** The operations it waits in, such as `recv ch1`. */
  readonly blockedOn: readonly string[];
  /** Time it has been waiting, in ms of the bubble's time. */
  readonly since: number;
  /** The line at which it waits, or was started: file:line:column. Empty if the platform does not say. */
  readonly at: string;
}

/** A candidate for the next step: an operation that is over, or a task that begins. */
export interface Resumption {
  readonly task: Task;
  /** The step that made it possible, if that is recorded. */
  by: number | undefined;
  resume(): void;
}

/** The queue of a bubble, as its tasks see it. */
export interface ResumptionQueue {
  enqueue(resumption: Resumption): void;
}

/** The operations of the library, and those of the kit's own. */
export type AnyOp = Op | "t.wait" | "t.sleep" | "yield" | "external";

/** The operations that only the world outside can end. */
const OUTSIDE: ReadonlySet<AnyOp> = new Set(["external", "context.wait"]);

/** One call of an operation. Once the operation is over, the same object is the resumption of its caller. */
export class Wait implements Parked, Resumption {
  readonly task: Task;
  readonly op: AnyOp;
  readonly on: unknown;
  readonly value: unknown;
  /** The bubble's time at the call. */
  readonly begun: number;
  readonly site: CallSite;
  /** Settles the caller's promise with `result`; set when the operation is over. */
  private settle: ((result: never) => void) | null = null;
  result: unknown = undefined;
  failed = false;
  by: number | undefined = undefined;

  constructor(task: Task, op: AnyOp, on: unknown, value: unknown, begun: number, site: CallSite) {
    this.task = task;
    this.op = op;
    this.on = on;
    this.value = value;
    this.begun = begun;
    this.site = site;
    task.waits.push(this);
  }

  ready(waiter: Waiter, result: unknown, failed: boolean): void {
    this.end(failed ? waiter.reject : waiter.resolve, result, failed);
  }

  /** The operation is over: queues the resumption of its caller, which will call `settle`. */
  end(settle: (result: never) => void, result: unknown, failed: boolean): void {
    this.settle = settle;
    this.result = result;
    this.failed = failed;
    const { waits, queue } = this.task;
    waits.splice(waits.indexOf(this), 1);
    queue.enqueue(this);
  }

  resume(): void {
    this.settle!(this.result as never);
  }
}

export class Task {
  readonly queue: ResumptionQueue;
  readonly name: string;
  /** The call that started it. */
  readonly site: CallSite;
  readonly waits: Wait[] = [];
  /** Number of its resumptions in the queue. */
  queued = 0;
  /** Its function has returned, and the result has settled. */
  ended = false;

  constructor(queue: ResumptionQueue, name: string, site: CallSite) {
    this.queue = queue;
    this.name = name;
    this.site = site;
  }

  /** True if it can never do anything again. */
  get isGone(): boolean {
    return this.ended && this.queued === 0 && this.waits.length === 0;
  }

  /**
   * True if only the world outside can let it continue. A task that awaits a promise of headgate's and one from outside
   * at the same time counts as blocked, unless the latter was brought in by `t.external`.
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

  /** True if it waits in `t.external`. */
  get isExternal(): boolean {
    return this.waits.some(({ op }) => op === "external");
  }

  private get state(): "ready" | "blocked" | "outside" | "ended" {
    if (this.queued > 0) return "ready";
    if (this.isOutside) return "outside";
    return this.ended ? "ended" : "blocked";
  }

  info(now: number, isRunning: boolean, describe: (wait: Wait) => string): TaskInfo {
    const { waits } = this;
    return {
      name: this.name,
      state: isRunning ? "running" : this.state,
      blockedOn: waits.map(describe),
      since: waits.length === 0 ? 0 : now - Math.min(...waits.map((wait) => wait.begun)),
      at: waits[0]?.site.at || this.site.at,
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
          ? `has returned, and nothing awaits its ${task.blockedOn.join(" and ")}`
          : task.state;
  const hint = task.state === "outside" && task.blockedOn.length === 0 && where !== "" ? " (started there)" : "";
  return `  ${task.name.padEnd(12)} ${doing}${where}${hint}`;
}
