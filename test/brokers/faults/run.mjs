/**
 * The fault runs by hand: `node test/brokers/faults/run.mjs [BROKER…] [--stops N] [--kills N] [--cuts N] [--restarts N] [--only FAULT]
 * [--json]`, after `npm run build` and a first `npm run test:brokers`, which installs the clients. Starts the servers itself, makes one
 * run after the other, and prints the figures as a table. Exits with 1 if something was so that should not be.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { brokerOf, brokers } from "./brokers.mjs";
import { runOnce, runs, USUAL } from "./runs.mjs";

const number = { type: "string" };
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { stops: number, kills: number, cuts: number, restarts: number, only: number, json: { type: "boolean" } },
});
for (const name of positionals) if (!brokers.includes(name)) throw new Error(`no broker is called ${name}`);
const amounts = { ...USUAL };
for (const name of Object.keys(USUAL)) if (values[name] !== undefined) amounts[name] = Number(values[name]);
// So that those who wait for our exit get to end the servers.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

const rows = [];
for (const name of positionals.length > 0 ? positionals : brokers) {
  const broker = await brokerOf(name);
  const server = await broker.start();
  if (server.skipped !== undefined) {
    console.error(`SKIPPED ${name}: ${server.skipped}`);
    continue;
  }
  try {
    for (const run of runs) {
      if (values.only !== undefined && run.name !== values.only) continue;
      const why = run.unless?.(broker.adapter);
      if (why !== undefined) {
        console.error(`SKIPPED ${name}, ${run.name}: ${why}`);
        continue;
      }
      try {
        const row = { broker: name, ...(await runOnce(run, broker, server, amounts)) };
        rows.push(row);
        console.error(`${name}, ${run.name}: ${row.seconds.toFixed(1)} s`);
        for (const problem of row.problems) wrong(problem);
      } catch (error) {
        console.error(`${name}, ${run.name}`);
        wrong(error.stack);
      }
    }
  } finally {
    await server.stop();
  }
}
console.log(values.json ? JSON.stringify(rows, undefined, 2) : table(rows));

function wrong(what) {
  console.error(`  WRONG: ${what}`);
  process.exitCode = 1;
}

/** As Markdown: the brokers next to each other for each fault. */
function table(rows) {
  const sorted = runs.flatMap(({ name }) => rows.filter(({ fault }) => fault === name));
  const lines = sorted.map(({ fault, broker, faults, messages, lost, twice, atMost, expired }) =>
    [fault, broker, faults, messages, lost, `${twice} (${atMost})`, expired].join(" | "),
  );
  const head = "fault | broker | how often | messages | lost | handled twice (at most) | expired";
  return [head, "---|---|---|--:|--:|--:|--:", ...lines].map((line) => `| ${line} |`).join("\n");
}
