/**
 * Rows of a table of what has been run: for each thing a name, its version, and its faults, which are texts.
 */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";

const results = fileURLToPath(new URL("../../.build/matrix/", import.meta.url));

/** How long a program may take, in ms. */
const PATIENCE = 180_000;

/** Runs a program. Resolves to what it printed on both channels, and how it failed, if it did. */
export function run(command, args, { cwd, env } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: PATIENCE,
      killSignal: "SIGKILL",
    });
    const said = [];
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => said.push(data));
    const end = (failed) => resolve({ out: Buffer.concat(said).toString(), failed });
    child.on("error", (error) => end(error.message));
    child.on("close", (code, signal) => end(code === 0 ? undefined : `ended with ${signal ?? `exit code ${code}`}`));
  });
}

/** Calls `rowOf(thing, run)` for each thing, two at a time. Resolves to the rows, in the order of the things. */
export async function ran(things, rowOf) {
  const rows = [];
  const left = [...things.entries()];
  const next = async () => {
    for (let item; (item = left.shift()) !== undefined;) {
      const [i, thing] = item;
      const begun = performance.now();
      let row;
      try {
        row = await rowOf(thing, run);
      } catch (error) {
        row = { name: thing.name, version: "", faults: [inspect(error)] };
      }
      rows[i] = { ...row, ms: Math.round(performance.now() - begun) };
    }
  };
  await Promise.all([next(), next()]);
  return rows;
}

/** Prints faults, rows, and what was skipped, keeps them for the table of docs/runtimes.md, and sets the exit code. */
export function report(kind, rows, skipped) {
  for (const { name, version, faults } of rows)
    for (const fault of faults) console.log(`${[name, version].join(" ").trim()}: ${fault}\n`);
  for (const { name, version, faults, ms, says } of rows) {
    const verdict = faults.length > 0 ? "FAILED" : (says ?? "ok");
    console.log(`${name.padEnd(28)} ${version.padEnd(18)} ${`${ms} ms`.padStart(10)}   ${verdict}`);
  }
  for (const what of skipped) console.log(`SKIPPED ${what}`);
  mkdirSync(results, { recursive: true });
  writeFileSync(join(results, `${kind}.json`), JSON.stringify({ rows, skipped }, null, 2));
  if (rows.some(({ faults }) => faults.length > 0)) process.exitCode = 1;
}
