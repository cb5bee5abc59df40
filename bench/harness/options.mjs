/** What the command line asks for. */
import { parseArgs } from "node:util";
import { noPositionals, whole } from "./command.mjs";
import { distOf, idsOfContenders } from "./contenders.mjs";
import { rows, scaling } from "./rows.mjs";

/** The names that there are. */
const NAMES = `rows        ${wrap(rows.map(({ id }) => id))}
scaling     ${wrap(scaling.map(({ id }) => id))}
groups      ${wrap([...new Set(rows.map(({ group }) => group)), "scaling"])}`;
const CONTENDERS = `contenders  ${wrap(idsOfContenders())}`;

export const HELP = `npm run bench -- [OPTION]…

  (nothing)            every row against every rival and Go, in less than two minutes
  --full               many rounds, and the rows that scale at all sizes and of all: an hour, about
  --only ROW           these rows only: ids or groups, as often as needed, or with commas between
  --contenders A,B     headgate against these only
  --also NAME=PATH     another build of headgate, too, by the path of its dist; as often as needed
  --rounds N           as many rounds, however long they take
  --runtimes           headgate alone, in every runtime that test/runtimes has, each against its own h
  --baseline           compare with baseline.json, and be loud where it is 35 % worse; the exit code stays 0
  --save               write baseline.json, after a run of everything with --full or --rounds
  --json               everything, every sample too, and no table (npm run --silent bench, for npm prints a banner)
  --help

${NAMES}
${CONTENDERS}`;

/** Words in lines, under each other. */
function wrap(words) {
  const lines = [""];
  for (const word of words) {
    if (lines.at(-1).length + word.length > 64) lines.push("");
    lines[lines.length - 1] += lines.at(-1) === "" ? word : `, ${word}`;
  }
  return lines.join(",\n            ");
}

const flags = Object.fromEntries(
  ["full", "runtimes", "baseline", "save", "json", "help"].map((name) => [name, { type: "boolean", default: false }]),
);
const lists = Object.fromEntries(
  ["only", "contenders", "also"].map((name) => [name, { type: "string", multiple: true }]),
);

/** The options; throws an error that says what is wrong with them. */
export function optionsOf(args) {
  const options = { ...flags, ...lists, rounds: { type: "string" } };
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
  noPositionals(positionals, "bench");
  if (
    values.save &&
    !((values.full || values.rounds !== undefined) && values.only === undefined && values.contenders === undefined)
  ) {
    throw new Error("--save is for a run of everything: with --full or --rounds, and without --only and --contenders");
  }
  const { wanted, scaled } = rowsOf(listed("only", values.only));
  return {
    ...values,
    rows: wanted,
    scaling: scaled,
    named: values.contenders !== undefined,
    contenders: contendersOf(listed("contenders", values.contenders)),
    also: (values.also ?? []).map((text) => builtAs(text)),
    rounds: values.rounds === undefined ? undefined : whole("rounds", values.rounds),
  };
}

/** The names that were given with commas between. None at all would mean everything, and that is not what was asked for. */
function listed(option, values) {
  if (values === undefined) return [];
  const names = values.flatMap((value) => value.split(",")).filter((value) => value !== "");
  if (names.length === 0) throw new Error(`--${option} takes names, and there is none`);
  return names;
}

function rowsOf(only) {
  if (only.length === 0) return { wanted: rows, scaled: scaling };
  const known = new Set([...rows.flatMap(({ id, group }) => [id, group]), ...scaling.map(({ id }) => id), "scaling"]);
  for (const name of only)
    if (!known.has(name)) throw new Error(`there is no row and no group called "${name}"; there are\n${NAMES}`);
  return {
    wanted: rows.filter(({ id, group }) => only.includes(id) || only.includes(group)),
    scaled: scaling.filter(({ id }) => only.includes(id) || only.includes("scaling")),
  };
}

function contendersOf(names) {
  const known = idsOfContenders();
  for (const name of names)
    if (!known.includes(name)) throw new Error(`there is no contender called "${name}"; there are\n${CONTENDERS}`);
  return names.length === 0 ? known : names;
}

function builtAs(text) {
  const [, name, path] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined) throw new Error(`--also takes NAME=PATH, not "${text}"`);
  if (idsOfContenders().includes(name)) throw new Error(`--also: ${name} is the name of a contender`);
  const dist = distOf(path);
  if (dist === undefined) throw new Error(`--also ${name}: ${path} is no build of headgate, which has an index.js`);
  return [name, dist];
}
