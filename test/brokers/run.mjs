/**
 * Tests the sources with real brokers: `npm run test:brokers [-- NAME…]`, after a build.
 *
 * Each `<broker>.test.mjs`, and each `<broker>-faults.test.mjs`, starts a server of its own on the loopback. What is not installed is
 * skipped, and said to be; with HEADGATE_INSTALL=1 it is installed by apt-get first. The clients are installed by `npm ci` when they are
 * missing.
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
const files = readdirSync(here)
  .filter((file) => file.endsWith(".test.mjs") && (wanted.length === 0 || wanted.some((name) => file.includes(name))))
  .map((file) => join(here, file));
if (files.length === 0) {
  console.error(`no broker is called ${wanted.join(" or ")}`);
  process.exit(1);
}

/** Files by their broker, the one that takes longest first. Those of one broker take turns: they want the same port. */
const brokers = new Map(["pubsub", "redis"].map((name) => [name, []]));
for (const file of files) {
  const [name] = basename(file).split(/[-.]/);
  brokers.set(name, [...(brokers.get(name) ?? []), file]);
}
const queue = [...brokers.values()].filter((turns) => turns.length > 0);
const isAlone = queue.length === 1;
const failed = [];
const kept = join(here, "..", "..", ".build", "brokers");
rmSync(kept, { recursive: true, force: true });
mkdirSync(kept, { recursive: true });
// Three brokers at a time: their tests mostly wait for leases to end. So they keep two cores busy for 60 % of 5 minutes.
const lanes = Array.from({ length: Math.min(3, queue.length) }, async () => {
  for (let turns; (turns = queue.shift()) !== undefined;) {
    for (const file of turns) await run(file);
  }
});
await Promise.all(lanes);

if (failed.length > 0) {
  console.log(`\n${failed.length} of ${files.length} files failed; their output is in .build/brokers/`);
  for (const { name, why } of failed) console.log(`\nFAILED ${name}\n${why}`);
  process.exitCode = 1;
}

/** Runs a file, and keeps what it prints. That is shown at once if no other broker is tested, else at the end of the file. */
async function run(file) {
  const name = basename(file, ".test.mjs");
  const reasons = join(kept, `${name}.failed.txt`);
  const reporters = [
    ["spec", "stdout"],
    [join(here, "failures.mjs"), reasons],
  ];
  const flags = reporters.flatMap(([reporter, to]) => [
    `--test-reporter=${reporter}`,
    `--test-reporter-destination=${to}`,
  ]);
  const child = spawn(process.execPath, [...flags, file], { stdio: ["inherit", "pipe", "pipe"] });
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
  failed.push({ name: basename(file), why: (existsSync(reasons) && readFileSync(reasons, "utf8").trimEnd()) || end });
}
