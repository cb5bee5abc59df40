/**
 * Kills `journal` again and again, and counts what is half-done.
 *
 *     npm run example -- kill [--seed N] [--kills N]
 *
 * The pairs of transfers are counted when it is dead, by SIGKILL, and when it has resumed them. The banks are here, so they outlive it.
 * The seed (1) decides at which of their requests it is killed, `--kills` (5) how often.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { time } from "headgate";
import { chance } from "./transfer/chance.ts";
import { optionsOf } from "./transfer/options.ts";
import { startService } from "./transfer/services.ts";

const { seed, kills } = optionsOf({ seed: 1, kills: 5 });
const COUNT = 20;
const program = fileURLToPath(import.meta.url.replace(/kill(\.\w+)$/, "journal$1"));
const folder = mkdtempSync(join(tmpdir(), "headgate-"));
const file = join(folder, "transfers.jsonl");

let [requests, killAt, kill] = [0, Infinity, (): void => {}];
const heard = (): void => {
  if (++requests >= killAt) kill();
};
const [debits, credits] = [await startService({ seed, heard }), await startService({ seed: seed + 1000, heard })];

interface Finished {
  readonly resumed: boolean;
  readonly status: string;
}

/** Starts it, until it is killed or has done all. Returns how it ended, and what it said of each transfer that has finished. */
async function start(n: number): Promise<{ ends: string; finished: Finished[] }> {
  [requests, killAt] = [0, n <= kills ? 2 + Math.floor(10 * chance(seed, "kill", n)) : Infinity];
  const child = spawn(process.execPath, [program, file, String(COUNT), debits.url, credits.url]);
  kill = () => void child.kill("SIGKILL");
  child.stderr.pipe(process.stderr);
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ends = await new Promise<string>((resolve) => {
    child.on("close", (_, signal) => resolve(signal ?? "by itself"));
  });
  await time.sleep(20); // what has left arrives
  const lines = said.split("\n").slice(0, -1);
  return { ends, finished: lines.map((line) => JSON.parse(line) as Finished) };
}

function halfDone(): number {
  const ids = Array.from({ length: COUNT }, (_, i) => `t${i + 1}`);
  return ids.filter((id) => debits.applied.has(`${id}:debit`) !== credits.applied.has(`${id}:credit`)).length;
}

console.log(
  `${COUNT} transfers, four at a time; some are cancelled. seed ${seed}\n\n` +
    "start | ends      | committed | compensated | of them resumed | half-done pairs then\n" +
    "----- | --------- | --------- | ----------- | --------------- | --------------------",
);
for (let n = 1, isOver = false; !isOver; n++) {
  const { ends, finished } = await start(n);
  isOver = ends === "by itself";
  const count = (status: string): number => finished.filter((one) => one.status === status).length;
  const resumed = finished.filter((one) => one.resumed).length;
  const [first, ...counts] = [n, count("committed"), count("compensated"), resumed, halfDone()].map(String);
  const widths = [9, 11, 15, 20];
  const cells = counts.map((cell, i) => cell.padStart(widths[i]!));
  console.log([first!.padStart(5), ends.padEnd(9), ...cells].join(" | "));
}
if (halfDone() > 0) process.exitCode = 1;
await Promise.all([debits.close(), credits.close()]);
rmSync(folder, { recursive: true });
