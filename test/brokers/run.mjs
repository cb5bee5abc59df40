/**
 * Tests the sources with real brokers: `npm run test:brokers [-- NAME…]`, after a build.
 *
 * Each `<broker>.test.mjs`, and each `<broker>-faults.test.mjs`, starts a server of its own on the loopback. What is not installed is
 * skipped, and said to be; with HEADGATE_INSTALL=1 it is installed by apt-get first. The clients are installed by `npm ci` when they are
 * missing.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
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
// Three brokers at a time: their tests mostly wait for leases to end. So they keep two cores busy for 60 % of 5 minutes.
const lanes = Array.from({ length: Math.min(3, queue.length) }, async () => {
  for (let turns; (turns = queue.shift()) !== undefined;) {
    for (const file of turns) await run(file);
  }
});
await Promise.all(lanes);

/** What it says is shown at once if nobody else is running, and else at its end. */
async function run(file) {
  const args = ["--test-reporter=spec", "--test-reporter-destination=stdout", file];
  const child = spawn(process.execPath, args, { stdio: ["inherit", isAlone ? "inherit" : "pipe", "inherit"] });
  let said = "";
  child.stdout?.setEncoding("utf8").on("data", (text) => (said += text));
  const [code] = await once(child, "close");
  process.stdout.write(said);
  if (code !== 0) process.exitCode = 1;
}
