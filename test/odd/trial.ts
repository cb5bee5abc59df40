/**
 * What the tests with odd values share: whose error it was, and what nobody caught.
 */
import { inspect } from "node:util";
import * as headgate from "headgate";
import { context } from "headgate";
import { afterAll, beforeAll } from "vitest";
import { handed, Odd } from "./odd.ts";

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

// ------------------------------------------------------------------------------------------ what nobody shall have to catch

export const uncaught: unknown[] = [];
const EVENTS = ["uncaughtException", "unhandledRejection"] as const;
const others = EVENTS.map((event) => process.listeners(event as "uncaughtException"));
const note = (error: unknown): void => void uncaught.push(error);

/** Gathers in `uncaught` what nobody catches while the tests of a file run. */
export function gatherUncaught(): void {
  beforeAll(() => {
    for (const event of EVENTS) process.removeAllListeners(event).on(event, note);
  });

  afterAll(() => {
    EVENTS.forEach((event, i) => {
      process.off(event, note);
      for (const listener of others[i]!) process.on(event, listener);
    });
  });
}

// ---------------------------------------------------------------------------------------------------------------- the errors

/** What the platform says when it is handed something that it cannot bear. */
const PLATFORM =
  /^(Cannot |Class constructor |Invalid time value|Method |Object prototype|'\w+' )|is not (a function|iterable|a constructor)/;

const CLASSES = [
  Error,
  TypeError,
  RangeError,
  context.Canceled,
  context.DeadlineExceeded,
  headgate.ClosedChannel,
  headgate.retry.Permanent,
];

export function show(value: unknown): string {
  try {
    return value instanceof Error ? `${value.name}: ${value.message}\n${value.stack}` : inspect(value);
  } catch {
    return "something that cannot be shown";
  }
}

/** What is wrong with an error of this row; undefined: nothing. */
export function fault(error: unknown, says: readonly RegExp[], isForeignAllowed: boolean): string | undefined {
  if (isForeignAllowed || handed.has(error)) return undefined;
  try {
    const of = Object.getPrototypeOf(error) as unknown;
    const isOurs = CLASSES.some((Class) => Class.prototype === of);
    if (!isOurs || error instanceof Odd) return `a foreign error: ${show(error)}`;
    const { message } = error as Error;
    if (error instanceof context.Canceled || error instanceof context.DeadlineExceeded) return undefined;
    if (message === "context: internal error: missing cancel error") return undefined;
    if (PLATFORM.test(message)) return `an error of the platform: ${show(error)}`;
    return says.some((rule) => rule.test(message)) ? undefined : `an error that does not name the rule: ${show(error)}`;
  } catch {
    return "an error that cannot be looked at";
  }
}
