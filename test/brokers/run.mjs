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
import { join } from "node:path";
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
// One after the other: the servers take turns, and a busy machine makes leases run out.
for (const file of files) {
  const args = ["--test-reporter=spec", "--test-reporter-destination=stdout", file];
  const child = spawn(process.execPath, args, { stdio: "inherit" });
  const [code] = await once(child, "exit");
  if (code !== 0) process.exitCode = 1;
}
