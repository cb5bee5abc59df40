/**
 * What is built here in four versions: money goes from one bank to the other, or it does not.
 */
import type { Context, retry } from "headgate";
import type { Api } from "./api.ts";

/**
 * Calls `debit` with the key `${id}:debit`, then `credit` with `${id}:credit`. Resolves if both are done. Rejects if not, and then neither
 * shall be: for what could not be undone, there is a dead letter.
 */
export type Transfer = (ctx: Context, id: string, banks: Banks, dead: DeadLetters) => Promise<void>;

export interface Banks {
  readonly debit: Api;
  readonly credit: Api;
}

/** Takes the key of what a person must see to. */
export type DeadLetters = (key: string) => void;

/** How an undo is tried again, where it is: one in five fails, so that twenty in a row do so in no lifetime. */
export const POLICY: retry.Policy = { tries: 20, base: 2, max: 50 };
