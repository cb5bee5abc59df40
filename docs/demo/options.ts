/**
 * The command line of the demo, and the messages it is given.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

export const HELP = `headgate demo: a worker delivers messages over HTTP, and accounts for every one of them.

  npm run demo -- [options]           Ctrl-C drains, a second Ctrl-C aborts

  --messages N      how many messages to publish                      5000
  --in FILE         publish these instead: JSON lines of a file, or of stdin for -
  --concurrency N   deliveries at a time                              50
  --slow MS         the gateway takes up to so long for an answer     40
  --refuse SHARE    share of requests it answers with 503             0.02
  --hang SHARE      share of requests it never answers                0.002
  --timeout MS      how long the worker waits for an answer           1000
  --attempts N      deliveries of a message before it counts as dead  5
  --grace MS        from the first Ctrl-C to the end, at most         10000
  --stop-after MS   stop by itself, as if by Ctrl-C
  --json            print one JSON object { report, gateway } on stdout, and nothing else there
                    (with npm run --silent demo -- --json, for npm prints a banner)
  --help            this text
`;

export interface Options {
  readonly bodies: readonly unknown[];
  readonly concurrency: number;
  readonly slow: number;
  readonly refuse: number;
  readonly hang: number;
  readonly timeout: number;
  readonly attempts: number;
  readonly grace: number;
  readonly stopAfter: number | undefined;
  readonly json: boolean;
}

/** A mistake of whoever called: shown as it is, without a stack, and the program ends with 2. */
export class UsageError extends Error {}

/** "help" if that was asked for. */
export function parse(args: string[]): Options | "help" {
  const text = { type: "string" } as const;
  let given;
  try {
    given = parseArgs({
      args,
      options: {
        messages: text,
        in: text,
        concurrency: text,
        slow: text,
        refuse: text,
        hang: text,
        timeout: text,
        attempts: text,
        grace: text,
        "stop-after": text,
        json: { type: "boolean" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (given.help === true) return "help";
  if (given.in !== undefined && given.messages !== undefined)
    throw new UsageError("--in and --messages exclude each other");
  const stopAfter = given["stop-after"];
  return {
    bodies:
      given.in === undefined
        ? numbered(number("messages", given.messages, 5000, { least: 0, whole: true }))
        : linesOf(given.in),
    concurrency: number("concurrency", given.concurrency, 50, { least: 1, whole: true }),
    slow: number("slow", given.slow, 40, { least: 0 }),
    refuse: number("refuse", given.refuse, 0.02, { least: 0, most: 1 }),
    hang: number("hang", given.hang, 0.002, { least: 0, most: 1 }),
    timeout: number("timeout", given.timeout, 1000, { least: 1 }),
    attempts: number("attempts", given.attempts, 5, { least: 1, whole: true }),
    grace: number("grace", given.grace, 10_000, { least: 0 }),
    stopAfter: stopAfter === undefined ? undefined : number("stop-after", stopAfter, 0, { least: 0 }),
    json: given.json === true,
  };
}

function number(
  name: string,
  text: string | undefined,
  fallback: number,
  rule: { least: number; most?: number; whole?: boolean },
): number {
  if (text === undefined) return fallback;
  const value = text.trim() === "" ? NaN : Number(text);
  const { least, most = Infinity, whole = false } = rule;
  if (Number.isFinite(value) && value >= least && value <= most && (!whole || Number.isInteger(value))) return value;
  const range = most === Infinity ? `of ${least} or more` : `from ${least} to ${most}`;
  throw new UsageError(`--${name} takes a ${whole ? "whole " : ""}number ${range}, not "${text}"`);
}

function numbered(n: number): unknown[] {
  return Array.from({ length: n }, (_, i) => ({ greeting: `hello ${i + 1}` }));
}

/** All lines are read and checked before the first is published: a bad one stops everything. */
function linesOf(file: string): unknown[] {
  let text;
  try {
    text = readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    throw new UsageError(`--in: cannot read ${file}: ${(error as Error).message}`);
  }
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line, i) => {
    try {
      return JSON.parse(line) as unknown;
    } catch (error) {
      throw new UsageError(`--in ${file}, line ${i + 1}: not JSON: ${(error as Error).message}`);
    }
  });
}
