/**
 * The tables of where headgate runs, made from what has been run: `node test/matrix.mjs [--write]`.
 *
 * `test/runtimes/run.mjs`, `test/runners/run.mjs`, `test/bundlers/run.mjs` and `test/compilers/run.mjs` leave their rows in `.build/matrix/`.
 * Without `--write` this checks that docs/runtimes.md says the same, and exits with 1 if not. What was not run is skipped, and said to be.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

const read = (kind) => {
  const path = join(root, ".build", "matrix", `${kind}.json`);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { rows: [], skipped: [`${kind}: not run`] };
};
const [runtimes, runners, bundlers, compilers] = ["runtimes", "runners", "bundlers", "compilers"].map(read);

/** Rows of other runs than that of all are not complete. */
const EXPECTED = { runtimes: 10, runners: 12, bundlers: 6, compilers: 5 };

const missing = Object.entries({ runtimes, runners, bundlers, compilers }).flatMap(([kind, { rows, skipped }]) => [
  ...skipped,
  ...(rows.length + skipped.length < EXPECTED[kind]
    ? [`${kind}: only ${rows.length} of ${EXPECTED[kind]} were run`]
    : []),
]);

/** 22.23.3 as 22.23; a version that is the name's own is not said twice. */
const short = (version) => version.split(".").slice(0, 2).join(".");
const major = (version) => version.split(".")[0];
const named = ({ name, version }) =>
  `${name.replace(/ \d+$/, "")} ${["Node", "Bun", "Deno"].some((runtime) => name.startsWith(runtime)) ? short(version) : version}`;

function runtimeRows() {
  const judged = runtimes.rows.filter(({ name }) => name !== "Node, this one");
  const groups = new Map();
  for (const { name, version, lacks } of judged) {
    const what = /^Chromium|^workerd/.test(name) ? name : named({ name, version });
    const verdict = `every public name, in real time${lacks.length > 0 ? `; no ${lacks.join(", no ")}` : ""}`;
    groups.set(verdict, [...(groups.get(verdict) ?? []), what]);
  }
  return [...groups].map(([verdict, names]) => [names.join(", "), verdict]);
}

function tableOf() {
  const tools = runners.rows.filter(({ name }) => !/, before$|^pino$|^two copies$/.test(name));
  const jest = tools.filter(({ name }) => name.startsWith("Jest, ")).map(({ name }) => name.slice("Jest, ".length));
  const versions = new Map(tools.map(({ name, version }) => [name.replace(/,.*/, ""), version]));
  const runnerNames = [...versions].map(([name, version]) => {
    if (name === "node:test") return name;
    return `${name} ${major(version)}${name === "Jest" ? ` (${jest.join("; ")})` : ""}`;
  });
  const bundlerNames = new Set(
    bundlers.rows.map(
      ({ name, version }) => `${name.replace(/,.*/, "")} ${name === "esbuild" ? short(version) : major(version)}`,
    ),
  );
  const compilerNames = compilers.rows.filter(({ ways }) => ways !== undefined).map(({ version }) => short(version));
  const rows = [
    ...runtimeRows(),
    [runnerNames.join(", "), "the same, and under their fake timers"],
    [[...bundlerNames].join(", "), "the same, bundled"],
    [`pino ${major(runners.rows.find(({ name }) => name === "pino").version)}`, "a line for each object, and no value"],
    ["two copies of headgate in one tree", "values, ends and errors go from one to the other"],
    [`TypeScript ${compilerNames.join(", ")}`, "all declarations, in each way to resolve modules"],
  ];
  return ["| where | what was run there |", "|---|---|", ...rows.map((row) => `| ${row.join(" | ")} |`)].join("\n");
}

const kB = (bytes) => (bytes === undefined ? "–" : (bytes / 1_000).toFixed(1));

function sizesOf() {
  const rows = bundlers.rows.map(({ name, version, sizes = {} }) =>
    [`${name} ${version}`, kB(sizes.context), kB(sizes.subpath), kB(sizes.Chan)].join(" | "),
  );
  const head = [
    '| kB, minified and gzipped | `{ context }` of `"headgate"` | `{ background }` of `"headgate/context"` | `{ Chan }` |',
  ];
  return [...head, "|---|---|---|---|", ...rows.map((row) => `| ${row} |`)].join("\n");
}

/** Puts `text` between the marks of `name` in a page. Returns whether that was there before. */
function put(page, name, text, writes) {
  const path = join(root, page);
  const before = readFileSync(path, "utf8");
  const marks = new RegExp(`(<!-- ${name} -->\\n)[^]*?(\\n<!-- end of ${name} -->)`);
  if (!marks.test(before)) throw new Error(`${page} has no marks of ${name}`);
  const after = before.replace(marks, (all, begin, end) => begin + text + end);
  if (writes) writeFileSync(path, after);
  return after === before;
}

const writes = process.argv.includes("--write");
if (missing.length > 0) {
  for (const what of missing) console.log(`missing: ${what}`);
  console.log("SKIPPED whether docs/runtimes.md says the same, as not all was run");
  if (writes) process.exitCode = 1;
} else {
  const table = tableOf();
  console.log(table);
  const isSame = put("docs/runtimes.md", "where it runs", table, writes);
  if (writes) put("docs/runtimes.md", "sizes", sizesOf(), true);
  else if (!isSame) {
    console.log("docs/runtimes.md says something else: node test/matrix.mjs --write");
    process.exitCode = 1;
  }
}
