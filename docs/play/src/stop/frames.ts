/**
 * From steps to frames: all rows of a step, with what the books gained in it, make one frame.
 */
import type { TraceStep } from "headgate/testing";

/** What became of one thing in a step: an entry that the books have gained. */
export interface Note<Entry = string> {
  readonly list: string;
  readonly entry: Entry;
}

/** Books: lists that only grow. */
type Lists<Entry> = Readonly<Record<string, readonly Entry[]>>;

export function framesOf<Entry, F>(
  steps: readonly TraceStep[],
  frame: (step: TraceStep, noted: readonly Note<Entry>[], before: F | undefined, isLast: boolean) => F,
): readonly F[] {
  const frames: F[] = [];
  let books: Lists<Entry> = {};
  steps.forEach((step, i) => {
    const now = (step.snapshot ?? books) as Lists<Entry>;
    const noted = Object.entries(now).flatMap(([list, entries]) =>
      entries.slice(books[list]?.length ?? 0).map((entry) => ({ list, entry })),
    );
    books = now;
    frames.push(frame(step, noted, frames.at(-1), i === steps.length - 1));
  });
  return frames;
}
