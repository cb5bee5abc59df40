/**
 * The code of a bug in both forms, and the line of it that each step of a recording has reached.
 */
import listings from "listings:";
import type { TraceStep } from "headgate/testing";
import { CANCELLER, CLOCK } from "../say.ts";
import type { CodeLine } from "../stop/types.ts";

/** A form of a bug: its lines, and for each line its number in the file. */
export interface Listing {
  readonly lines: readonly CodeLine[];
  readonly numbers: readonly number[];
}

/** The form of a bug; `isFixed`: the repaired one. */
export function listingOf(name: string, isFixed: boolean): Listing {
  const other = isFixed ? "-" : "+";
  const shown = listings[name]!.split("\n")
    .map((line) => /^(.)(\w+) (.*)$/.exec(line)!)
    .filter(([, form]) => form !== other);
  return {
    lines: shown.map(([, form, , text]) => ({ text: text!, marks: [], sign: form === "=" ? "" : form! })),
    numbers: shown.map(([, , number]) => Number.parseInt(number!, 36)),
  };
}

/**
 * The lit line of each step, from 1; 0: none yet. It is the line in which the task of the step waits after it, or has waited before its
 * end. While time passes, the line stays.
 */
export function litLines(steps: readonly TraceStep[], { numbers }: Listing): readonly number[] {
  const of: Map<string, number> = new Map();
  let lit = 0;
  return steps.map(({ task, snapshot }) => {
    if (task === CLOCK || task === CANCELLER) return lit;
    const line = numbers.indexOf(snapshot as number) + 1 || (of.get(task) ?? 0);
    of.set(task, line);
    return (lit = line || lit);
  });
}
