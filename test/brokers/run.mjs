/**
 * Runs headgate's sources against real brokers: `npm run test:brokers [-- BROKER…]`.
 *
 * It installs the clients if they are not there, starts each server itself, on the loopback, and stops it. A broker that is not there and
 * cannot be installed is skipped, and the last lines say so.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const all = ["nats", "rabbitmq"];
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
  const { start } = await import(`./servers/${name}.mjs`);
  const server = await start();
  if (server.skipped !== undefined) {
    skipped.push(`${name}: ${server.skipped}`);
    continue;
  }
  try {
    const env = { ...process.env, BROKER_URL: server.url };
    const args = ["--test", "--test-reporter=spec", `${here}${name}.test.mjs`];
    if (spawnSync(process.execPath, args, { env, stdio: "inherit" }).status !== 0) failed = true;
  } finally {
    await server.stop();
  }
}
for (const line of skipped) console.log(`SKIPPED ${line}`);
process.exit(failed ? 1 : 0);
