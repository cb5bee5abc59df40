/**
 * The command line of the demo, and the messages it is given.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { BROKERS, isBroker, type Place } from "./brokers.ts";
import { withoutSecrets } from "./secrets.ts";

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
  --watch           Ctrl-\\ prints what waits at that moment, and where; then start it without npm, which Ctrl-\\ would
                    end: node docs/run.mjs demo --watch
  --json            print one JSON object { report, gateway } on stdout, and nothing else there
                    (with npm run --silent demo -- --json, for npm prints a banner)
  --help            this text

NO_COLOR=1 takes the colours away, FORCE_COLOR=1 keeps them where the output is no terminal.

On a real broker, which several terminals may share:

  --broker URL      ${BROKERS};
                    the last with PUBSUB_EMULATOR_HOST=HOST:PORT for the emulator. Its client is installed at the first time.
                    --messages is 20000 then; with --messages 0 it only works, until Ctrl-C. --json adds { broker }
  --queue NAME      its queue there, which is made if it is missing    headgate-demo
  --idle MS         end when all is published and nothing has come for so long, 2000 or more. By default that is 2 s,
                    or 12 if there are still messages in flight, or the broker does not tell
`;

/** So many in memory. */
export const DEFAULT_MESSAGES = 5000;

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
  readonly watch: boolean;
  /** Absent: in memory. */
  readonly broker: Place | undefined;
}

/** A mistake in the command line. It is shown as it is, without a stack, and the program ends with 2. */
export class UsageError extends Error {}

/** An option that npm was given, and not its script, is no mistake of ours, but looks like one: npm tells of it by the environment. */
export function refuseWhatNpmKept(env: Readonly<Record<string, string | undefined>>): void {
  for (const [, option, name] of HELP.matchAll(/^ {2}(--([\w-]+))/gm))
    if (env[`npm_config_${name!.replaceAll("-", "_")}`] === "true")
      throw new UsageError(
        `npm has kept ${option} to itself: options come behind a --, as in npm run demo -- ${option}`,
      );
}

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
        broker: text,
        queue: text,
        idle: text,
        json: { type: "boolean" },
        watch: { type: "boolean" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw new UsageError(misread(args, error as Error));
  }
  if (given.help === true) return "help";
  if (given.in !== undefined && given.messages !== undefined)
    throw new UsageError("--in and --messages exclude each other");
  const stopAfter = given["stop-after"];
  const broker = placeOf(given);
  const messages = broker === undefined ? DEFAULT_MESSAGES : 20_000;
  return {
    bodies:
      given.in === undefined
        ? numbered(number("messages", given.messages, messages, { least: 0, whole: true }))
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
    watch: given.watch === true,
    broker,
  };
}

function placeOf({ broker, queue, idle }: { broker?: string; queue?: string; idle?: string }): Place | undefined {
  if (broker === undefined) {
    for (const [name, value] of Object.entries({ queue, idle }))
      if (value !== undefined) throw new UsageError(`--${name} needs a --broker`);
    return undefined;
  }
  // What is wrong is not repeated: there may be a password in it.
  if (!URL.canParse(broker)) throw new UsageError(`--broker takes ${BROKERS}, and this is no url`);
  const url = new URL(broker);
  if (!isBroker(url)) throw new UsageError(`--broker takes ${BROKERS}, not ${url.protocol}`);
  if (url.protocol === "pubsub:" && !/^[\w.:-]+$/.test(url.host || url.pathname))
    throw new UsageError("--broker pubsub:PROJECT needs the id of a project");
  if (queue !== undefined && !/^[a-z][\w-]{2,49}$/i.test(queue))
    throw new UsageError(`--queue takes 3 to 50 letters, digits, - and _, a letter first, not "${queue}"`);
  return {
    url,
    queue: queue ?? "headgate-demo",
    // More than the time for which a message waits to be delivered again, whatever the broker makes of that.
    idle: idle === undefined ? undefined : number("idle", idle, 0, { least: 2000 }),
  };
}

/** npm keeps options to itself that are not behind a --, but not their values. */
function misread(args: readonly string[], { message }: Error): string {
  const isUrl = args.some((arg) => !arg.startsWith("-") && URL.canParse(arg) && isBroker(new URL(arg)));
  if (isUrl && !args.includes("--broker")) return "a url belongs to --broker: npm run demo -- --broker URL";
  return withoutSecrets(message);
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

/** More would not fit into memory: they are made before the first is published. */
const MOST = 10_000_000;

function numbered(n: number): unknown[] {
  if (n > MOST) throw new UsageError(`--messages takes ${MOST} at most, not "${n}"`);
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
