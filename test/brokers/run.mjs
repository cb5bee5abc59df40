/**
 * Runs headgate's sources against real brokers: `npm run test:brokers [-- BROKER…]`.
 *
 * It installs the clients if they are not there. Each test starts its server itself, on the loopback, and stops it. A broker that is not there and
 * cannot be installed is skipped, and the last lines say so.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const all = ["redis", "nats", "rabbitmq"];
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  console.error(`there is no broker ${unknown.join(", ")}; there are ${all.join(", ")}`);
  process.exit(2);
}
if (!existsSync(`${here}node_modules`)) {
  const { status } = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: here,
    stdio: "inherit",
  });
  if (status !== 0) process.exit(status ?? 1);
}

const skipped = [];
let failed = false;
for (const name of wanted.length > 0 ? wanted : all) {
  const args = ["--test", "--test-reporter=spec", `${here}${name}.test.mjs`];
  const { status, stdout } = spawnSync(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  process.stdout.write(stdout);
  if (status !== 0) failed = true;
  skipped.push(...stdout.split("\n").filter((line) => line.startsWith("SKIPPED ")));
}
for (const line of skipped) console.log(line);
process.exit(failed ? 1 : 0);
