/**
 * The rounds. Each has all rows × contenders, one sample after the other. The order of the contenders rotates, so that the machine
 * treats them alike.
 */
import { TookTooLong } from "./contenders.mjs";

/** How often a program may fail in a row before it is left alone. */
const PATIENCE = 2;

/**
 * Measures `cells`, each `{ row, size, contender }`, round by round. A sample is `{ round, row, size, who, ns, h, ratio }`; it has other
 * figures if its row has, or `failed` with the reason, and the ms that it `took`. `wants` chooses the cells of the later rounds. `isOver`
 * is called before each row, from the second round on, and ends the run.
 */
export async function measure(
  cells,
  { rounds, settings, wants = () => true, isOver = () => false, progress = () => {} },
) {
  const samples = [];
  const failures = new Map();
  // Where a program hangs, it is not asked for more.
  const limits = new Map();
  const isHopeless = (cell) => {
    const { row, size = 0, contender } = cell;
    return failures.get(cell) >= PATIENCE || (limits.get(`${row.id} ${contender.id}`) ?? Infinity) <= size;
  };

  const take = async (cell, round) => {
    const { row, size, contender } = cell;
    const begun = performance.now();
    const sample = { round, row: row.id, size, who: contender.id };
    try {
      Object.assign(sample, await contender.sample(row, size, settings));
      failures.delete(cell);
    } catch (error) {
      sample.failed = error.message;
      failures.set(cell, (failures.get(cell) ?? 0) + 1);
      if (error instanceof TookTooLong) limits.set(`${row.id} ${contender.id}`, size ?? 0);
    }
    sample.took = Math.round(performance.now() - begun);
    samples.push(sample);
  };

  for (let round = 0; round < rounds; round++) {
    const now = inTurn(
      cells.filter((cell) => !isHopeless(cell) && wants(cell, round, samples)),
      round,
    );
    const all = now.flat().length;
    let done = 0;
    for (const row of now) {
      if (round > 0 && isOver()) return samples;
      for (const cell of row) {
        progress({ round, done: done++, all, cell });
        if (!isHopeless(cell)) await take(cell, round);
      }
    }
  }
  return samples;
}

/** A row after the other, but in each the contenders begin with another one than in the row and the round before. */
function inTurn(cells, round) {
  const rows = [...grouped(cells, ({ row, size }) => `${row.id} ${size}`).values()];
  return rows.map((row, i) => {
    const first = (i + round) % row.length;
    return [...row.slice(first), ...row.slice(0, first)];
  });
}

export function grouped(all, keyOf) {
  const groups = new Map();
  for (const one of all) {
    const key = keyOf(one);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(one);
  }
  return groups;
}
