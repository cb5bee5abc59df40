/**
 * The bed of the scenarios of chapter 8: two banks on a realistic network, the rule, and the books.
 *
 * A call that was sent arrives, even if its caller is cancelled in the meantime. An undo that arrives before its call is remembered.
 */
import { type Context, time } from "headgate";
import type { Bubble } from "headgate/testing";

/** Moves money at one bank; `key` names the transfer. */
export interface Bank {
  /** Takes or brings the money. It arrives after 3 ms, its answer after 4. */
  readonly call: (ctx: Context, key: string) => Promise<void>;
  /** Takes that back, if it has arrived; if not, it never will. It arrives after 1 ms, its answer after 2. */
  readonly undo: (ctx: Context, key: string) => Promise<void>;
}

/** A transfer from one bank to another. It throws if it did not happen. */
export type Transfer = (ctx: Context, debit: Bank, credit: Bank) => Promise<unknown>;

/** A scenario is varied by it: by the page that shows these programs. The chapter uses the defaults. */
export interface BankSetting {
  /**
   * What fails: the credit is declined, so it moves nothing; or it moves the money, and its answer is lost.
   *
   * @default undefined
   */
  readonly fails?: "declined" | "unanswered" | undefined;
}

/** One fact of the network: a request was sent, arrived or was declined, its answer arrived or was lost. */
export interface Fact {
  readonly bank: "debit" | "credit";
  readonly request: "call" | "undo";
  readonly event: "sent" | "arrived" | "answered" | "declined" | "unanswered";
  /** In ms since the scenario began. */
  readonly at: number;
}

/** What became of the transfer. */
export interface BankBooks {
  /** All that the network has seen, in its order. */
  readonly facts: Fact[];
  /** The banks at which the money has moved, now. */
  readonly moved: Set<"debit" | "credit">;
}

/** How long a call takes to arrive and to be answered, in ms; an undo is faster. */
export const CALL = { arrives: 3, answered: 4 } as const;
export const UNDO = { arrives: 1, answered: 2 } as const;

export const newBankBooks = (): BankBooks => ({ facts: [], moved: new Set() });

function openBank(bank: Fact["bank"], books: BankBooks, fails?: BankSetting["fails"]): Bank {
  const begun = time.now();
  let isUndone = false;
  const note = (request: Fact["request"], event: Fact["event"]) =>
    void books.facts.push({ bank, request, event, at: time.now() - begun });

  async function send(ctx: Context, request: Fact["request"], takes: typeof CALL | typeof UNDO, effect: () => void) {
    const failure = request === "call" ? fails : undefined;
    const error = ctx.err();
    if (error !== undefined) throw error; // nothing is sent
    note(request, "sent");
    time.afterFunc(takes.arrives, () => {
      note(request, failure === "declined" ? "declined" : "arrived");
      if (failure !== "declined") effect();
    });
    await time.sleep(takes.answered, ctx);
    note(request, failure === "unanswered" ? "unanswered" : "answered");
    if (failure !== undefined) throw new Error(`the ${bank} is ${failure}`);
  }
  return {
    call: (ctx) =>
      send(ctx, "call", CALL, () => {
        if (!isUndone) books.moved.add(bank);
      }),
    undo: (ctx) =>
      send(ctx, "undo", UNDO, () => {
        isUndone = true;
        books.moved.delete(bank);
      }),
  };
}

/** The scenario of a transfer, with the rule: both banks have moved the money, or neither has. */
export const bothOrNeither =
  (transfer: Transfer) =>
  async (t: Bubble, books: BankBooks = newBankBooks(), { fails }: BankSetting = {}): Promise<void> => {
    const [debit, credit] = [openBank("debit", books), openBank("credit", books, fails)];
    await transfer(t.ctx, debit, credit).catch(() => {});
    await time.sleep(100); // every call that was sent arrives
    if (books.moved.size === 1) throw new Error(`only the ${[...books.moved].join()} has happened`);
  };
