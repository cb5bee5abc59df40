/** What the command line asks for. */
import { parseArgs } from "node:util";
import { whole } from "../harness/command.mjs";

/** The brokers that have a server, in the order in which they are shown; `memory` has none. */
export const BROKERS = ["redis", "postgres", "nats", "rabbitmq", "pubsub"];

export const HELP = `npm run bench:brokers -- [NAME]… [OPTION]…

  NAME                 these only: ${BROKERS.join(", ")}, memory
  --rounds N           as many rounds, after one that does not count; 5
  --messages N         as many messages each; 60000, and 10000 for pubsub
  --quick              one round of 300 messages, which shows only that everything works
  --save               write docs/benchmarks-brokers.md
  --json               everything, every sample too, and no table (npm run --silent bench:brokers, for npm prints a banner)
  --help

What is not installed is skipped, and said to be; HEADGATE_INSTALL=1 installs it by apt-get first. The exit code is 1 if a contender has
failed: if it did not handle every message, or left one unsettled.`;

const flags = Object.fromEntries(
  ["quick", "save", "json", "help"].map((name) => [name, { type: "boolean", default: false }]),
);

/** The options; throws an error that says what is wrong with them. */
export function optionsOf(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { ...flags, rounds: { type: "string" }, messages: { type: "string" } },
  });
  for (const name of positionals)
    if (name !== "memory" && !BROKERS.includes(name))
      throw new Error(`there is no broker called "${name}"; there are ${BROKERS.join(", ")} and memory`);
  const given = (name) => (values[name] === undefined ? undefined : whole(name, values[name]));
  const { quick } = values;
  const { rounds = quick ? 1 : 5, messages = quick ? 300 : undefined } = {
    rounds: given("rounds"),
    messages: given("messages"),
  };
  if (values.save && (quick || positionals.length > 0))
    throw new Error("--save is for a run of everything, without --quick and without names");
  return {
    ...values,
    brokers: BROKERS.filter((name) => positionals.length === 0 || positionals.includes(name)),
    memory: positionals.length === 0 || positionals.includes("memory"),
    rounds,
    messages,
  };
}
