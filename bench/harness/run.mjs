/**
 * Measures headgate, its rivals and Go: `npm run bench`; `npm run bench -- --help` tells the rest.
 */
import { baseline, save, worse } from "./baseline.mjs";
import { command, needsBuild } from "./command.mjs";
import { figuresOf } from "./figures.mjs";
import { HELP, optionsOf } from "./options.mjs";
import { run } from "./plan.mjs";
import { progress, say } from "./progress.mjs";
import { busyText, failuresOf, runtimesOf, tableOf } from "../report/table.mjs";

const options = command(optionsOf, HELP);
needsBuild();
await bench();

async function bench() {
  const committed = baseline();
  const results = await run({ ...options, far: committed?.far }, { say, progress });
  let figures = figuresOf(results);
  let complaints = options.baseline && committed !== undefined ? worse(figures, committed) : [];
  // Once is chance: what seems worse is measured again.
  if (complaints.length > 0) {
    const ids = new Set(complaints.map(({ figure }) => figure.row.id));
    say(`again, because they seem worse than the committed figures: ${[...ids].join(", ")}`);
    const some = (rows) => rows.filter(({ id }) => ids.has(id));
    const again = {
      ...options,
      rows: some(options.rows),
      scaling: some(options.scaling),
      far: committed.far,
      rounds: 3,
    };
    const { samples } = await run(again, { progress });
    results.samples.push(...samples.map((sample) => ({ ...sample, round: sample.round + results.rounds })));
    figures = figuresOf(results);
    complaints = worse(figures, committed);
  }

  if (options.json) console.log(JSON.stringify(results));
  else console.log(options.runtimes ? runtimesOf(figures, results.contenders) : tableOf(figures, results.contenders));
  const tell = options.json ? console.error : console.log;
  tell(`\n${results.rounds} rounds in ${results.seconds} s; Node ${results.machine.node}, ${results.machine.cpu}`);
  const busy = busyText(figures);
  if (busy !== undefined) tell(busy);
  for (const line of failuresOf(results)) tell(`FAILED ${line}`);
  for (const { id, why } of results.skipped) tell(`SKIPPED ${id}: ${why}`);
  if (options.baseline) {
    for (const { text } of complaints) tell(`!!! WORSE !!! ${text}`);
    if (committed === undefined) tell("there is no baseline.json to compare with");
    else
      tell(
        `${complaints.length} of ${figures.length} rows are worse by a third or more than on ${committed.date}, with Node ${committed.node}`,
      );
  }
  if (!options.save) return;
  if (busy === undefined) save(results, figures);
  else tell("baseline.json is left as it is: the machine was too busy");
}
