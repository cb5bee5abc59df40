/**
 * What a run of a saga takes over from the journal of one that was killed.
 *
 * Invariant: a journal that is not what `observe` was told is refused before anything is called. A line that is missing can mean that what
 * was undone is done again, and what is left is forgotten.
 */
import { mustBeReadable } from "../internal/errors.ts";
import { attempt } from "../internal/foreign.ts";
import { revived } from "./errors.ts";
import type { DeadLetter, SagaEvent } from "./result.ts";
import type { State } from "./state.ts";

/** What a run takes over from the one before, beside the steps. */
export interface Past {
  /** Why that was being undone, if it was. */
  readonly cause: Error | undefined;
  /** What its sink has taken. */
  readonly letters: readonly DeadLetter[];
}

/**
 * Brings the steps to where the journal ends. Events of other sagas and ids are skipped.
 *
 * **Errors**: TypeError if it names a step that there is none of, or is not what `observe` was told.
 */
export function resumed(states: readonly State[], saga: string, id: string, journal: readonly SagaEvent[]): Past {
  const letters: DeadLetter[] = [];
  let cause: Error | undefined;
  for (const [n, event] of journal.entries()) {
    const isOurs = mustBeReadable(
      `saga: resume: event ${n} cannot be read`,
      () => event?.saga === saga && event.id === id,
    );
    if (!isOurs) continue;
    const what = `saga: resume: event ${n}, ${attempt(() => String(JSON.stringify(event.type))) ?? "which cannot be read"},`;
    if (attempt(() => isWhole(event)) !== true) throw new TypeError(`${what} is not as it was told to observe`);
    if (event.type === "compensating") cause = revived(event.cause);
    if (!("step" in event)) continue;
    const state = states.find(({ step }) => step.name === event.step);
    if (state === undefined) {
      throw new TypeError(
        `saga: resume: there is no step ${event.step} any more; keep the steps of the runs that go on`,
      );
    }
    if (isOfTheWayBack(event) && cause === undefined)
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

/** Whether it has what is made use of. */
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

function isOfTheWayBack(event: SagaEvent): boolean {
  return event.type === "compensated" || (event.type === "deadLettered" && event.letter.todo === "undo");
}
