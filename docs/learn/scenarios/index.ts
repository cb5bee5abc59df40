/**
 * The six programs of chapters 5 to 8 as scenarios for `explore` and `record`, with their rules and their books.
 *
 * A line of these programs that waits has a marker, which pages do not show: `//@ TASK OPERATION`, several with a comma between them. They
 * are those of the rows of a trace. A marker on a line of its own belongs to the line above. `after EVENT EVENT` adds that these rows of
 * the task came before, in this order. Where a marker without it has the same task and operation, it holds until then. In chapter 8 the
 * task is the bank, and the operation its request, as in `BankBooks.facts`.
 */
import type { Bubble } from "headgate/testing";
import { firstVersion } from "../05-sigterm/broken.ts";
import { usualRepair } from "../06-half-fix/broken.ts";
import { withWorker } from "../07-two-signals/fixed.ts";
import { sameContext } from "../08-two-apis/broken.ts";
import { asSaga } from "../08-two-apis/fixed.ts";
import { detachedRollback } from "../08-two-apis/half.ts";
import { type BankBooks, type BankSetting, bothOrNeither, newBankBooks } from "./banks.ts";
import { type Books, handledOnce, type More, newBooks, type Setting } from "./queue.ts";

export { type BankBooks, type BankSetting, type Books, type More, newBankBooks, newBooks, type Setting };

/** One program. `B` is the type of its books: pass new ones to see what became of the messages or of the money. */
export interface Scenario<B, Rest extends readonly unknown[] = []> {
  /** Its key in `figures.json`. */
  readonly id: string;
  readonly title: string;
  /** The file of the program, from the root of the repository. The program is its region `worker` or `transfer`. */
  readonly file: string;
  readonly run: (t: Bubble, books?: B, ...rest: Rest) => Promise<void>;
}

/** The talk's worker. The rule: a message that was handled is not delivered again. */
export const workers: readonly Scenario<Books, [more?: More, setting?: Setting]>[] = [
  {
    id: "05-sigterm/broken",
    title: "first version",
    file: "docs/learn/05-sigterm/broken.ts",
    run: handledOnce(firstVersion),
  },
  {
    id: "06-half-fix/broken",
    title: "usual repair",
    file: "docs/learn/06-half-fix/broken.ts",
    run: handledOnce(usualRepair),
  },
  {
    id: "07-two-signals/fixed",
    title: "headgate/worker",
    file: "docs/learn/07-two-signals/fixed.ts",
    run: handledOnce(withWorker),
  },
];

/** A transfer between two banks. The rule: both have moved the money, or neither has. */
export const transfers: readonly Scenario<BankBooks, [setting?: BankSetting]>[] = [
  {
    id: "08-two-apis/broken",
    title: "same ctx",
    file: "docs/learn/08-two-apis/broken.ts",
    run: bothOrNeither(sameContext),
  },
  {
    id: "08-two-apis/half",
    title: "usual repair",
    file: "docs/learn/08-two-apis/half.ts",
    run: bothOrNeither(detachedRollback),
  },
  { id: "08-two-apis/fixed", title: "saga", file: "docs/learn/08-two-apis/fixed.ts", run: bothOrNeither(asSaga) },
];
