/**
 * Resuming: a run takes over the journal of a run that was killed.
 *
 * Invariant: a journal that does not have all events of `observe` is refused before anything is called. With a missing line, an undone
 * step could be done again, and a remaining one forgotten.
 */
import { mustBeReadable } from "../internal/errors.ts";
import { attempt } from "../internal/foreign.ts";
import { deserializeError } from "./errors.ts";
import type { State } from "./state.ts";
import type { DeadLetter, SagaEvent } from "./types.ts";

/** The facts that a run takes over, besides the states of its steps. */
export interface Resumed {
  /** Why the killed run was compensating; undefined if it was not. */
  readonly cause: Error | undefined;
  /** The letters that its sink has taken. */
  readonly letters: readonly DeadLetter[];
}

/**
 * Replays the journal on the states of the steps. Events of other sagas and ids are skipped.
 *
 * **Errors**: TypeError if the journal names an unknown step, or is not a list of the events of `observe`.
 */
export function resume(states: readonly State[], saga: string, id: string, journal: readonly SagaEvent[]): Resumed {
  const letters: DeadLetter[] = [];
  let cause: Error | undefined;
  for (const [n, event] of journal.entries()) {
    const isOurs = mustBeReadable(
      `saga: resume: event ${n} cannot be read`,
      () => event?.saga === saga && event.id === id,
    );
    if (!isOurs) continue;
    const what = `saga: resume: event ${n}, ${attempt(() => String(JSON.stringify(event.type))) ?? "which cannot be read"},`;
    if (attempt(() => isWhole(event)) !== true) throw new TypeError(`${what} is not as observe got it`);
    if (event.type === "compensating") cause = deserializeError(event.cause);
    if (!("step" in event)) continue;
    const state = states.find(({ step }) => step.name === event.step);
    if (state === undefined) {
      throw new TypeError(
        `saga: resume: there is no step ${event.step} any more; keep the steps of the runs that go on`,
      );
    }
    if (isCompensation(event) && cause === undefined)
      throw new TypeError(`${what} has no "compensating" before it; give all events, in their order`);
    if (event.type === "stepStarted") state.outcome = "unknown";
    else if (event.type === "compensated") state.outcome = "compensated";
    else if (event.type === "stepFinished") {
      const { outcome, output, attempts, ms } = event;
      Object.assign(state, { outcome, output, attempts, ms });
    } else if (event.type === "deadLettered") {
      state.outcome = "dead-lettered";
      letters.push(event.letter);
    }
  }
  return { cause, letters };
}

/** True if the event has the fields that are read above. */
function isWhole(event: SagaEvent): boolean {
  switch (event.type) {
    case "stepFinished":
      return (
        ["done", "unknown", "not applied"].includes(event.outcome) &&
        Number.isFinite(event.attempts) &&
        Number.isFinite(event.ms)
      );
    case "compensating":
      return typeof event.cause?.message === "string";
    case "deadLettered":
      return event.letter?.step === event.step && typeof event.letter.cause?.message === "string";
    default:
      return ["started", "stepStarted", "attemptFailed", "compensated", "lost", "finished"].includes(event.type);
  }
}

function isCompensation(event: SagaEvent): boolean {
  return event.type === "compensated" || (event.type === "deadLettered" && event.letter.todo === "undo");
}
