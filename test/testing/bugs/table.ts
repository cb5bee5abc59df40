/**
 * Prints a table: the schedules and the time that each way of exploring takes to find each bug of the catalogue.
 *
 *     npm run build
 *     npx esbuild test/testing/bugs/table.ts --bundle --packages=external --format=esm --target=node20 |
 *       node --input-type=module
 *
 * The milliseconds are the median of several rounds, the first of which is cold. They include the work after the
 * schedule that fails: it is shrunk, run once more with everything recorded, and reported.
 */
import { explore, type ExploreOptions, ScheduleError } from "headgate/testing";
import { type Bug, bugs } from "./index.ts";

const ROUNDS = 3;

/** The ways of exploring. Each one that may cancel and search begins with the cancel at every point. */
const ways: readonly (readonly [title: string, options: ExploreOptions])[] = [
  ["plain order", { cancel: false, bound: 0, randomRuns: 0 }],
  ["cancel everywhere", { search: false, microtasks: 0 }],
  ["… and inside steps", { search: false }],
  ["orders only, no cancel", { cancel: false }],
  ["bound 1", { bound: 1, randomRuns: 0, microtasks: 0 }],
  ["bound 2", { bound: 2, randomRuns: 0, microtasks: 0 }],
  ["random", { bound: 0, microtasks: 0 }],
  ["default", {}],
];

interface Result {
  readonly found: boolean;
  readonly schedules: number;
  readonly ms: number;
}

async function tryOut(scenario: ReturnType<Bug["scenario"]>, options: ExploreOptions): Promise<Result> {
  const begun = performance.now();
  try {
    const { schedules } = await explore(scenario, options);
    return { found: false, schedules, ms: performance.now() - begun };
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
    return { found: true, schedules: error.schedules, ms: performance.now() - begun };
  }
}

/** The result with the median time. */
async function measure(scenario: ReturnType<Bug["scenario"]>, options: ExploreOptions): Promise<Result> {
  const results: Result[] = [];
  for (let round = 0; round < ROUNDS; round++) results.push(await tryOut(scenario, options));
  return results.sort((a, b) => a.ms - b.ms)[ROUNDS >> 1]!;
}

function print(cells: readonly string[]): void {
  process.stdout.write(`| ${cells.join(" | ")} |\n`);
}

const milliseconds = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;

const score = ways.map(() => 0);
print(["bug", ...ways.map(([title]) => title), "the repair, default"]);
print(["---", ...ways.map(() => "---"), "---"]);
for (const { name, scenario } of bugs) {
  const cells: string[] = [];
  for (const [i, [, options]] of ways.entries()) {
    const { found, schedules, ms } = await measure(scenario(false), options);
    if (found) score[i]!++;
    cells.push(`${found ? schedules : "–"} (${milliseconds(ms)})`);
  }
  const repair = await measure(scenario(true), {});
  const held = repair.found ? `**fails** after ${repair.schedules}` : `${repair.schedules} held`;
  print([name, ...cells, `${held} (${milliseconds(repair.ms)})`]);
}
print(["found", ...score.map((n) => `${n} of ${bugs.length}`), ""]);
