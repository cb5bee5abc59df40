/**
 * Tests headgate/otel and headgate/worker/metrics with what reads their output elsewhere: `node test/otel/run.mjs [NAME…]`, after a build
 * and `npm ci --prefix test/otel`.
 *
 * - `types.ts`: the types of `@opentelemetry/api` fit those of headgate/otel.
 * - `*.test.mjs`: the SDK of OpenTelemetry, a parser of Prometheus' text, and pino. Those with real brokers start servers of their own on the
 *   loopback. A server that is not installed is skipped, and said to be; with HEADGATE_INSTALL=1 it is installed by apt-get first.
 *
 * NAME is part of the name of such a file. The tests of `*.test.ts` are unit tests: `npm test` runs them, with a tracer of their own.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

const here = import.meta.dirname;
const root = join(here, "..", "..");
const modules = join(here, "node_modules");

if (!existsSync(modules)) {
  console.error("not installed: npm ci --prefix test/otel");
  process.exit(1);
}
// The tests import headgate by its name. A folder with a package.json of its own cannot do that otherwise.
rmSync(join(modules, "headgate"), { force: true });
symlinkSync("../../..", join(modules, "headgate"), "dir");

const wanted = process.argv.slice(2);
const files = readdirSync(here)
  .filter((file) => file.endsWith(".test.mjs") || file === "types.ts")
  .filter((file) => wanted.length === 0 || wanted.some((name) => file.includes(name)));
if (files.length === 0) {
  console.error(`no test of this folder is called ${wanted.join(" or ")}`);
  process.exit(1);
}
const argsOf = (file) =>
  file === "types.ts"
    ? [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", here]
    : ["--test", "--test-reporter=spec", join(here, file)];
const failed = files.filter((file) => {
  console.log(`\n${file}`);
  return spawnSync(process.execPath, argsOf(file), { stdio: "inherit" }).status !== 0;
});
if (failed.length > 0) {
  console.log(`\nFAILED: ${failed.join(", ")}`);
  process.exitCode = 1;
}
