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

/** One fact of the network: a request was sent, arrived, or its answer did. */
export interface Fact {
  readonly bank: "debit" | "credit";
  readonly request: "call" | "undo";
  readonly event: "sent" | "arrived" | "answered";
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

function openBank(bank: Fact["bank"], books: BankBooks): Bank {
  const begun = time.now();
  let isUndone = false;
  const note = (request: Fact["request"], event: Fact["event"]) =>
    void books.facts.push({ bank, request, event, at: time.now() - begun });

  async function send(ctx: Context, request: Fact["request"], takes: typeof CALL | typeof UNDO, effect: () => void) {
    const error = ctx.err();
    if (error !== undefined) throw error; // nothing is sent
    note(request, "sent");
    time.afterFunc(takes.arrives, () => {
      note(request, "arrived");
      effect();
    });
    await time.sleep(takes.answered, ctx);
    note(request, "answered");
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
  async (t: Bubble, books: BankBooks = newBankBooks()): Promise<void> => {
    const [debit, credit] = [openBank("debit", books), openBank("credit", books)];
    await transfer(t.ctx, debit, credit).catch(() => {});
    await time.sleep(100); // every call that was sent arrives
    if (books.moved.size === 1) throw new Error(`only the ${[...books.moved].join()} has happened`);
  };
