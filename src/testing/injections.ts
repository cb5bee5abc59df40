/**
 * The injections into one execution: the cancels of t.ctx and t.abort, and the refusal of an operation.
 */
import type { CancelCauseFunc } from "../context/index.ts";
import { propertyOf } from "../internal/foreign.ts";
import type { Context } from "../types.ts";
import { callsite, type CallSite } from "./callsite.ts";
import { soon } from "./platform.ts";
import type { Injection } from "./schedule.ts";
import type { BubbleScheduler } from "./scheduler.ts";

type Cancellable = readonly [ctx: Context, cancel: CancelCauseFunc];

export class Injections {
  /** The call sites of the operations that could be refused, if they are recorded. */
  readonly callers: CallSite[] = [];
  private readonly injection: Injection;
  private readonly scheduler: BubbleScheduler;
  /** The error for the operation that is refused. */
  private readonly error: Error | undefined;
  private root!: Cancellable;
  private abort: Cancellable | null = null;
  /** Number of operations that could have been refused. */
  private calls = 0;
  /** The injection as far as its points were reached. */
  private did: Injection = {};

  constructor(injection: Injection, scheduler: BubbleScheduler, error: Error | undefined) {
    this.injection = injection;
    this.scheduler = scheduler;
    this.error = error;
  }

  // ------------------------------------------------------------------------------------------------------- the cancels

  /** Makes t.ctx. */
  begin(): void {
    this.root = this.scheduler.ownContext("t.ctx");
  }

  get context(): Context {
    return this.root[0];
  }

  /** t.abort, made on first use. */
  get abortContext(): Context {
    return (this.abort ??= this.scheduler.ownContext("t.abort"))[0];
  }

  cancel(cause?: unknown): void {
    this.root[1](cause);
  }

  cancelAbort(): void {
    this.abort ??= this.scheduler.ownContext("t.abort");
    this.abort[1]();
  }

  cancelAll(): void {
    this.cancel();
    this.abort?.[1]();
  }

  /** The context to cancel at this point; undefined: none. */
  dueAt(point: number): "t.ctx" | "t.abort" | undefined {
    const { cancelAt, microtask, abortAt } = this.injection;
    if (cancelAt === point && microtask === undefined) {
      this.did = { ...this.did, cancelAt };
      if (this.context.err() === undefined) return "t.ctx";
    }
    if (abortAt !== point) return undefined;
    this.did = { ...this.did, abortAt };
    return this.abort?.[0].err() === undefined ? "t.abort" : undefined;
  }

  /**
   * The injection as far as its points were reached: the execution may end before. A context that has ended by then is not cancelled again.
   */
  get done(): Injection {
    return this.did;
  }

  /** Called inside of the step after this point: cancels t.ctx after one of its microtasks, if the schedule says so. */
  enterStep(point: number): void {
    const { cancelAt, microtask } = this.injection;
    if (microtask === undefined || cancelAt !== point) return;
    this.did = { ...this.did, cancelAt, microtask };
    this.cancelAfter(microtask);
  }

  /** Cancels t.ctx after this number of microtasks: between two awaits of promises that are not the library's. */
  private cancelAfter(microtasks: number): void {
    soon(() => {
      if (microtasks > 0) return this.cancelAfter(microtasks - 1);
      const { scheduler } = this;
      const { task } = scheduler;
      scheduler.task = scheduler.canceller;
      this.cancel();
      scheduler.task = task;
    });
  }

  // ------------------------------------------------------------------------------------------------------- the refusal

  /** The error to refuse the operation with that is being called; undefined: none. */
  fault(isRecorded: boolean): unknown {
    this.calls++;
    if (isRecorded) this.callers.push(callsite());
    const { failAt } = this.injection;
    if (this.calls !== failAt || this.error === undefined) return undefined;
    this.did = { ...this.did, failAt };
    return this.error;
  }

  /** True if this is the error of the refusal, or was caused by it. */
  isInjected(error: unknown): boolean {
    if (this.injection.failAt === undefined) return false;
    for (let e = error, depth = 0; e !== undefined && e !== null && depth < 10; depth++) {
      if (e === this.error) return true;
      e = propertyOf(e, "cause");
    }
    return false;
  }
}
