/**
 * Runs headgate, as packed, in test runners that people use, each with its own fake timers: `node test/runners/run.mjs [NAME…]`.
 *
 * The runners are installed by `npm ci --prefix test/runners`; headgate must have been built. What fails is shown, and then the exit code
 * is 1. The last lines are the rows of a table, and `.build/matrix/runners.json` has them for that of docs/runtimes.md (`test/matrix.mjs`).
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { installed, installIn } from "../support/packed.mjs";
import { report, ran } from "../support/rows.mjs";

const here = import.meta.dirname;
const modules = join(here, "node_modules");
const of = (name) => JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8")).version;
const bin = (...path) => join(modules, ...path);

const jest = (recipe, env = {}) => ({
  name: `Jest, ${recipe}`,
  version: () => of("jest"),
  args: [bin("jest", "bin", "jest.js"), "--no-cache", "--runInBand"],
  env: { RECIPE: recipe, ...env },
});

const mocha = (name, file) => ({
  name,
  version: () => of("mocha"),
  args: [bin("mocha", "bin", "mocha.js"), "--timeout", "20000", file],
});

const runners = [
  { name: "Vitest", version: () => of("vitest"), args: [bin("vitest", "vitest.mjs"), "run"] },
  jest("esm", { NODE_OPTIONS: "--experimental-vm-modules --no-warnings" }),
  jest("commonjs, node"),
  jest("commonjs, jsdom"),
  jest("typescript"),
  mocha("Mocha, sinon", "mocha/headgate.spec.mjs"),
  mocha("Mocha, sinon, before", "mocha/before.spec.mjs"),
  { name: "node:test", version: () => process.versions.node, args: ["--test", "node/"] },
  {
    name: "AVA, sinon",
    version: () => of("ava"),
    args: [bin("ava", "entrypoints", "cli.mjs"), "--timeout=60s", "ava/*.test.js"],
  },
  {
    name: "ts-node",
    version: () => of("ts-node"),
    args: ["--no-warnings", "--loader", "ts-node/esm", "ts/program.ts"],
    env: { TS_NODE_PROJECT: join(here, "ts", "tsconfig.json") },
    prints: "by ts-node 1",
  },
  { name: "pino", version: () => of("pino"), args: ["--test", "logs/"] },
  { name: "two copies", version: () => "", args: ["--test", "copies/"] },
];

if (!existsSync(modules)) {
  report(
    "runners",
    [],
    ["all test runners: not installed; npm ci --prefix test/runners does so, if it can reach the registry"],
  );
} else {
  const user = installed();
  installIn(here, "headgate", user);
  installIn(here, "headgate-other", user);
  mkdirSync(join(modules, "headgate-everything"), { recursive: true });
  copyFileSync(join(here, "..", "runtimes", "everything.mjs"), join(modules, "headgate-everything", "index.js"));
  writeFileSync(
    join(modules, "headgate-everything", "package.json"),
    '{ "name": "headgate-everything", "type": "module", "main": "index.js" }\n',
  );
  const wanted = process.argv.slice(2).map((name) => name.toLowerCase());
  const some = runners.filter(
    ({ name }) => wanted.length === 0 || wanted.some((part) => name.toLowerCase().includes(part)),
  );
  const rows = await ran(some, async ({ name, version, args, env, prints }, run) => {
    const { out, failed } = await run(process.execPath, args, { cwd: here, env });
    const isWrong = failed !== undefined || (prints !== undefined && out.trim() !== prints);
    return { name, version: version(), faults: isWrong ? [`${failed ?? "printed"}\n${out}`] : [] };
  });
  report("runners", rows, []);
}
