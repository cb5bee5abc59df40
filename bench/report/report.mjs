/**
 * Regenerates the tables and pictures of docs/benchmarks.md, and baseline.json: `npm run bench:report` measures everything, for an
 * hour or so, and `npm run bench:report -- --from FILE`, as often as needed, takes what `run.mjs --json` has printed.
 *
 * What stands outside the markers is written by hand and stays; so does a part for which there are no figures.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { save } from "../harness/baseline.mjs";
import { command, fail, needsBuild, noPositionals, whole } from "../harness/command.mjs";
import { install } from "../harness/contenders.mjs";
import { figuresOf } from "../harness/figures.mjs";
import { optionsOf } from "../harness/options.mjs";
import {
  behindPart,
  goPart,
  groupPart,
  machinePart,
  missedPart,
  notesPart,
  placed,
  runtimesPart,
  scalingPart,
} from "./pages.mjs";
import { run } from "../harness/plan.mjs";
import { progress, say } from "../harness/progress.mjs";
import { rows } from "../harness/rows.mjs";
import { busyText, groupOf } from "./table.mjs";

const page = new URL("../../docs/benchmarks.md", import.meta.url);
const pictures = new URL("../../docs/benchmarks/", import.meta.url);
/** What an hour has brought is kept. */
const raw = new URL("../../.build/bench/", import.meta.url);

/** Rounds of which the median may be compared with later ones. */
const ENOUGH = 3;

/** The groups that have a picture, and its title. */
const PICTURES = {
  channels: "Channels",
  select: "Select",
  context: "Context",
  tasks: "Tasks and locks",
  memory: "Memory",
};
/** How many awaits a whole program takes tells nothing beside rows of one operation, and what is nothing has no logarithm. */
const isDrawn = ({ row }) => row.id !== "sieve" && !row.total;

const HELP = `npm run bench:report -- [OPTION]…

  (nothing)            measure everything, for an hour or so, and write docs/benchmarks.md, its pictures, and baseline.json
  --from FILE          take what npm run --silent bench -- --json has printed instead; as often as needed
  --rounds N           as many rounds
  --help`;

const options = command(optionsFrom, HELP);
const given = options.from?.map((file) => read(file));
needsBuild();
install();
const { dots, lines, panels } = await drawing();
const all = given ?? (await measured(options));
mkdirSync(pictures, { recursive: true });
let text = readFileSync(page, "utf8");
for (const results of all) {
  if (results.mode === "runtimes") put("runtimes", runtimesPart(figuresOf(results), results));
  else report(results);
}
writeFileSync(page, text);

function optionsFrom(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      from: { type: "string", multiple: true },
      rounds: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  noPositionals(positionals, "bench:report");
  return { ...values, rounds: values.rounds === undefined ? undefined : whole("rounds", values.rounds) };
}

/** What draws is installed with the rivals. */
async function drawing() {
  try {
    return await import("./pictures.mjs");
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    return fail(`what draws the pictures is not installed: npm ci --prefix bench (${error.message.split("\n")[0]})`);
  }
}

function read(file) {
  try {
    const results = JSON.parse(readFileSync(file, "utf8"));
    if (!Array.isArray(results?.samples)) throw new Error("there are no samples in it");
    return results;
  } catch (error) {
    const hint = error instanceof SyntaxError ? "; npm run --silent bench -- --json prints no banner" : "";
    return fail(`--from ${file}: ${error.message}${hint}`);
  }
}

async function measured({ rounds }) {
  mkdirSync(raw, { recursive: true });
  const all = [];
  for (const mode of ["full", "runtimes"]) {
    say(mode === "full" ? "all rows and all contenders" : "all runtimes");
    const args = rounds === undefined ? [] : [`--rounds=${rounds}`];
    const results = await run(optionsOf([`--${mode}`, ...args]), { say, progress });
    writeFileSync(new URL(`${mode}.json`, raw), JSON.stringify(results));
    all.push(results);
  }
  return all;
}

function report(results) {
  const { contenders } = results;
  const figures = figuresOf(results);
  const busy = busyText(figures);
  if (busy !== undefined) say(busy);
  put("machine", machinePart(results));
  for (const group of new Set(rows.map(groupOf))) {
    const some = figures.filter(({ row, size }) => size === undefined && groupOf(row) === group);
    if (some.length === 0) continue;
    put(group, groupPart(some, contenders));
    if (group in PICTURES) draw(group, dots(PICTURES[group], some.filter(isDrawn), contenders));
  }
  const scaled = figures.filter(({ size }) => size !== undefined);
  if (scaled.length > 0) {
    draw("scaling", lines("What must not grow", scaled));
    // Only a full run has the others at all sizes.
    const isFull = results.mode === "full";
    if (isFull) draw("scaling-all", panels("What must not grow, × h for one operation", scaled, contenders));
    put("scaling", scalingPart(scaled, isFull ? "benchmarks/scaling-all.svg" : undefined));
  }
  const measured = new Set(figures.map(({ row }) => row.id));
  if (rows.every(({ id }) => measured.has(id))) {
    put("behind", behindPart(figures, contenders));
    put("missed", missedPart(figures));
    put("go", goPart(figures));
    put("notes", notesPart(contenders));
    if (results.rounds < ENOUGH) say(`baseline.json is left as it is: this was less than ${ENOUGH} rounds`);
    else if (busy !== undefined) say("baseline.json is left as it is: the machine was too busy");
    else save(results, figures);
  } else {
    say("not all rows were measured: what is said of all of them is left as it is");
  }
}

function put(name, part) {
  text = placed(text, name, part);
}

function draw(name, picture) {
  writeFileSync(new URL(`${name}.svg`, pictures), picture);
}
