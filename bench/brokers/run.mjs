/**
 * The worker beside BullMQ, graphile-worker, pg-boss, and the clients of the brokers, at the same job: `npm run bench:brokers`;
 * `npm run bench:brokers -- --help` tells the rest.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { command, needsBuild } from "../harness/command.mjs";
import { install } from "../harness/contenders.mjs";
import { progress, say } from "../harness/progress.mjs";
import { busyText } from "../report/table.mjs";
import { failuresOf, figuresOf, memoryOf } from "./figures.mjs";
import { HELP, optionsOf } from "./options.mjs";
import { pageOf } from "./page.mjs";
import { run } from "./plan.mjs";
import { handledOf, tableOf } from "./table.mjs";

const page = new URL("../../docs/benchmarks-brokers.md", import.meta.url);

const options = command(optionsOf, HELP);
needsBuild();
// A server has a process group of its own, which Ctrl-C does not reach: it is killed when this process exits, and not when it dies.
for (const [name, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
]) {
  process.once(name, () => {
    say("stopped: the server that was started is killed, and nothing is saved");
    process.exit(code);
  });
}
await bench();

async function bench() {
  install(fileURLToPath(new URL(".", import.meta.url)));
  const results = await run(options, { say, progress });
  const [figures, memory] = [figuresOf(results), memoryOf(results)];
  console.log(options.json ? JSON.stringify(results) : options.quick ? handledOf(figures) : tableOf(figures, memory));
  const tell = options.json ? console.error : console.log;
  const { rounds, seconds, machine, skipped } = results;
  tell(`\n${rounds} rounds in ${seconds} s; Node ${machine.node}, ${machine.cpu}`);
  const byId = ({ contender, rate }) => [contender.id, rate];
  const busy = options.quick ? undefined : busyText(figures.map(({ rates }) => ({ of: new Map(rates.map(byId)) })));
  if (busy !== undefined) tell(busy);
  for (const { id, why } of skipped) tell(`SKIPPED ${id}: ${why}`);
  const failures = failuresOf(results);
  for (const line of failures) tell(`FAILED ${line}`);
  if (failures.length > 0) process.exitCode = 1;
  if (!options.save) return;
  // What took its time is kept.
  const raw = new URL("../../.build/bench/", import.meta.url);
  mkdirSync(raw, { recursive: true });
  writeFileSync(new URL("brokers.json", raw), JSON.stringify(results));
  writeFileSync(page, pageOf(readFileSync(page, "utf8"), results, figures, memory));
}
