/**
 * The rounds: in each all rows × contenders, one sample after the other, the contenders in an order that rotates, so that what the
 * machine does to one it does to all.
 */
import { TookTooLong } from "./contenders.mjs";

/** How often a program may fail in a row before it is left alone. */
const PATIENCE = 2;

/**
 * Measures `cells`, each `{ row, size, contender }`, round by round; the samples are `{ round, row, size, who, ns, h, ratio }`, or what
 * else their row has, or `failed` with the reason. `wants` decides what is measured again, and `isOver`, which is asked before each round
 * but the first and told how many ms it will take, whether there is time for it.
 */
export async function measure(
  cells,
  { rounds, settings, wants = () => true, isOver = () => false, progress = () => {} },
) {
  const samples = [];
  const tries = new Map(cells.map((cell) => [cell, { took: 0, failures: 0 }]));
  // Where a program hangs, it is not asked for more.
  const limits = new Map();
  const isHopeless = ({ row, size = 0, contender }) => (limits.get(`${row.id} ${contender.id}`) ?? Infinity) <= size;

  let round = 0;
  for (; round < rounds; round++) {
    const now = inTurn(cells, round).filter((cell) => {
      const { failures } = tries.get(cell);
      return failures < PATIENCE && !isHopeless(cell) && wants(cell, round, samples);
    });
    const ms = now.reduce((sum, cell) => sum + tries.get(cell).took, 0);
    if (now.length === 0 || (round > 0 && isOver(ms))) break;
    for (const [i, cell] of now.entries()) {
      if (isHopeless(cell)) continue;
      const { row, size, contender } = cell;
      progress({ round, done: i, all: now.length, cell });
      const begun = performance.now();
      const sample = { round, row: row.id, size, who: contender.id };
      const state = tries.get(cell);
      try {
        Object.assign(sample, await contender.sample(row, size, settings(row, size)));
        state.failures = 0;
      } catch (error) {
        sample.failed = error.message;
        state.failures++;
        if (error instanceof TookTooLong) limits.set(`${row.id} ${contender.id}`, size ?? 0);
      }
      state.took = performance.now() - begun;
      samples.push(sample);
    }
  }
  return { samples, rounds: round };
}

/** Row by row, but in each row the contenders begin with another one than in the row and the round before. */
function inTurn(cells, round) {
  const byRow = grouped(cells, ({ row, size }) => `${row.id} ${size}`);
  return [...byRow.values()].flatMap((row, i) => {
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
