/**
 * Tests the sources with real brokers: `npm run test:brokers [-- NAME…]`, after a build.
 *
 * Each broker has tests of its own, `<broker>.test.mjs` and perhaps `<broker>-troubles.test.mjs`, and those that all have, `demo.test.mjs`
 * and `faults.test.mjs`: those count as `<broker>-demo.test.mjs` and `<broker>-faults.test.mjs`. NAME is part of such a name.
 *
 * Each file starts a server of its own on the loopback. What is not installed is skipped, and said to be; with HEADGATE_INSTALL=1 it is
 * installed by apt-get first. The clients are installed by `npm ci` when they are missing.
 *
 * Each file's output is kept in `.build/brokers/`. The last lines say which tests failed, each with its error.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { install } from "./install.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const modules = join(here, "node_modules");

if (!(await install((line) => console.error(line)))) process.exit(1);
// The tests import headgate by its name. A folder with a package.json of its own cannot do that otherwise.
mkdirSync(modules, { recursive: true });
rmSync(join(modules, "headgate"), { force: true });
symlinkSync("../../..", join(modules, "headgate"), "dir");

const wanted = process.argv.slice(2);
/** Those that all brokers have: their files get its name. */
const shared = ["demo", "faults"];
const own = readdirSync(here)
  .filter((file) => file.endsWith(".test.mjs"))
  .map((file) => basename(file, ".test.mjs"));
/** In the order in which they begin: the ones that take longest first. */
const brokers = new Set(["pubsub", "redis", ...own.filter((name) => !shared.includes(name)).map(brokerOf)]);
/** The tests of each broker. They take turns: they want the same port. */
const turnsOf = [...brokers].map((broker) =>
  [
    ...own
      .filter((name) => brokerOf(name) === broker)
      .map((name) => ({ name, args: [join(here, `${name}.test.mjs`)] })),
    ...shared.map((name) => ({ name: `${broker}-${name}`, args: [join(here, `${name}.test.mjs`), broker] })),
  ].filter(({ name }) => wanted.length === 0 || wanted.some((part) => `${name}.test.mjs`.includes(part))),
);
const count = turnsOf.flat().length;
if (count === 0) {
  console.error(`no test of a broker is called ${wanted.join(" or ")}`);
  process.exit(1);
}

const queue = turnsOf.filter((turns) => turns.length > 0);
const isAlone = queue.length === 1;
const failed = [];
const kept = join(here, "..", "..", ".build", "brokers");
rmSync(kept, { recursive: true, force: true });
mkdirSync(kept, { recursive: true });
// Three brokers at a time: their tests mostly wait for leases to end. So they keep two cores busy for 60 % of 5 minutes.
const lanes = Array.from({ length: Math.min(3, queue.length) }, async () => {
  for (let turns; (turns = queue.shift()) !== undefined;) {
    for (const each of turns) await run(each);
  }
});
await Promise.all(lanes);

if (failed.length > 0) {
  console.log(`\n${failed.length} of ${count} files failed; their output is in .build/brokers/`);
  for (const { name, why } of failed) console.log(`\nFAILED ${name}\n${why}`);
  process.exitCode = 1;
}

/** The broker of a test of this name. */
function brokerOf(name) {
  return name.split("-")[0];
}

/** Runs a file, and keeps what it prints. That is shown at once if no other broker is tested, else at the end of the file. */
async function run({ name, args }) {
  const reasons = join(kept, `${name}.failed.txt`);
  const reporters = [
    ["spec", "stdout"],
    [join(here, "failures.mjs"), reasons],
  ];
  const flags = reporters.flatMap(([reporter, to]) => [
    `--test-reporter=${reporter}`,
    `--test-reporter-destination=${to}`,
  ]);
  const child = spawn(process.execPath, [...flags, ...args], { stdio: ["inherit", "pipe", "pipe"] });
  const log = createWriteStream(join(kept, `${name}.txt`));
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      said += text;
      log.write(text);
      if (isAlone) process.stdout.write(text);
    });
  }
  const [code, signal] = await once(child, "close");
  log.end();
  if (!isAlone) process.stdout.write(said);
  if (code === 0) return;
  const end = `  ended with ${signal ?? `exit code ${code}`}, and these last lines:\n${said.trimEnd().split("\n").slice(-10).join("\n")}`;
  failed.push({ name, why: (existsSync(reasons) && readFileSync(reasons, "utf8").trimEnd()) || end });
}
