/**
 * The runner of a scenario: it runs it under one schedule, as often as it is asked to.
 */
import { apiOf, type Bubble } from "./bubble.ts";
import { Execution } from "./execution.ts";
import type { RunnerSettings } from "./options.ts";
import type { Schedule } from "./schedule.ts";

export interface RunOptions {
  /** Wait at the end until the platform has reported unhandled rejections. */
  readonly checked?: boolean;
  /** Record the trace. */
  readonly record?: boolean;
  /** Record the call site of each operation that may be refused. */
  readonly callers?: boolean;
}

export class Runner {
  private readonly scenario: (t: Bubble) => PromiseLike<void> | void;
  private readonly settings: RunnerSettings;
  /** Another copy of headgate was used. */
  usesOther = false;
  /** A task has waited for something outside, so from now on AsyncLocalStorage tells which task code belongs to. */
  private storage = false;

  constructor(scenario: (t: Bubble) => PromiseLike<void> | void, settings: RunnerSettings) {
    this.scenario = scenario;
    this.settings = settings;
  }

  /** Runs the scenario once, and once more if its tasks waited outside and the kit may have been wrong about which. */
  async run(schedule: Schedule, options: RunOptions): Promise<Execution> {
    const { checked = false, record = false, callers = false } = options;
    const { start, externalTimeout, maxSteps, timers, fail } = this.settings;
    const execution = new Execution(schedule, {
      start,
      externalTimeout,
      maxSteps,
      timers,
      fail,
      record,
      callers,
      checked,
      choices: true,
      storage: this.storage,
    });
    await execution.start(() => this.scenario(apiOf(execution)));
    if (execution.scheduler.usesOther) this.usesOther = true;
    if (!execution.wasOutside || this.storage) return execution;
    this.storage = true;
    return execution.failure === null ? execution : this.run(schedule, options);
  }
}
