/**
 * One sample: one program of one contender, in this process alone. `node --expose-gc bench/harness/sample.mjs CONTENDER ROW [SIZE]` prints
 * one line of JSON.
 *
 * Each slice of the program stands between two slices of h, so that both see the same machine. The result is the median of its multiples
 * of h. A slice is so long (`SLICE` ms) that its garbage is collected in it, because that is part of the price. There are `SLICES` of them.
 * If they would take longer than `BUDGET` ms, there are fewer, and at least two.
 * `share` is the part of a processor that the process got. If it is less than all of it, other processes ran as well.
 */
import process from "node:process";
import { processor } from "./processor.mjs";
import { rows, scaling } from "./rows.mjs";

const { SLICE = "8", SLICES = "14", BUDGET = "1500" } = process.env;
const slice = Number(SLICE);
const slices = Number(SLICES);
const budget = Number(BUDGET);

/** So that the number of operations can be shared by 2, 10 or 100 tasks. */
const STEP = 1000;
/** How many ms it may take until a program is compiled. */
const WARM = 80;
/** How many awaits are a slice of h: a millisecond, about. */
const UNITS = 20_000;

const collect = globalThis.gc ?? (() => globalThis.Bun.gc(true));
const median = (all) => {
  const sorted = all.toSorted((a, b) => a - b);
  return (sorted[(all.length - 1) >> 1] + sorted[all.length >> 1]) / 2;
};

const RESOLVED = Promise.resolve();
async function h(n) {
  for (let i = 0; i < n; i++) await RESOLVED;
}

/** The price of one await, in ns. */
async function unitNow() {
  const begun = performance.now();
  await h(UNITS);
  return ((performance.now() - begun) * 1e6) / UNITS;
}

async function timed(program, n, size) {
  const state = await program.before?.(n, size);
  const begun = performance.now();
  await program.run(state, n, size);
  const ms = performance.now() - begun;
  await program.after?.(state);
  return ms;
}

async function time(row, program, size) {
  const begun = performance.now();
  const spent = () => performance.now() - begun;
  const fixed = row.n ?? (program.n === "size" ? size : undefined);
  const smallest = fixed ?? (row.id === "sieve" ? 1 : Math.max(size ?? 0, STEP));

  // A slice is filled with more operations, or where their number is fixed, by the same ones again.
  const filled = async (parts) => {
    if (fixed === undefined) return timed(program, parts * smallest, size);
    let ms = 0;
    for (let i = 0; i < parts; i++) ms += await timed(program, fixed, size);
    return ms;
  };
  // Doubling finds out how many, and is most of the warm-up, too. A neighbour may make one run seem long.
  let parts = 1;
  let once = await filled(parts);
  while (spent() < budget / 3) {
    if (once >= slice) once = Math.min(once, await filled(parts));
    if (once >= slice) break;
    once = await filled((parts *= 2));
  }
  parts = Math.ceil((parts * slice) / Math.max(once, slice));
  const n = parts * smallest;

  const unit = () => {
    // What a program of a fixed size has left behind is not to be collected at the unit's expense.
    if (fixed !== undefined || size !== undefined) collect();
    return unitNow();
  };
  await h(UNITS);
  let last = await unit();
  const sliceOf = async (ns) => {
    const before = last;
    last = await unit();
    const around = (before + last) / 2;
    return { ns, h: around, ratio: ns / around };
  };
  const oneSlice = async () => sliceOf(((await filled(parts)) * 1e6) / n);

  const taken = [];
  // What takes that long is warm, and is not thrown away.
  if (once > budget) taken.push(await sliceOf((once * 1e6) / n));
  else for (let i = 0; (i < 3 || spent() < WARM) && spent() < budget / 3; i++) await oneSlice();
  for (let longest = 0; taken.length < slices;) {
    if (taken.length >= 2 && spent() + longest > budget) break;
    const from = spent();
    taken.push(await oneSlice());
    longest = Math.max(longest, spent() - from);
  }
  const middle = (key) => median(taken.map((slice) => slice[key]));
  return { ns: middle("ns"), h: middle("h"), ratio: middle("ratio"), slices: taken.length };
}

function bytes(row, program) {
  const used = () => {
    for (let i = 0; i < 4; i++) collect();
    return process.memoryUsage().heapUsed;
  };
  program.run(undefined, STEP);
  const before = used();
  const kept = program.run(undefined, row.n);
  const held = used() - before;
  if (kept === undefined) throw new Error("a program of bytes returns what it keeps");
  return { bytes: row.total ? held : held / row.n };
}

async function sample(who, id, size) {
  const row = [...rows, ...scaling].find((row) => row.id === id);
  if (row === undefined) throw new Error(`there is no row ${id}`);
  const contender = await import(`../contenders/${who}.mjs`);
  const share = processor();
  if (row.kind === "lateness") {
    const late = (await contender.lateness(10, 60)).sort((a, b) => a - b);
    return { late: late[Math.floor(late.length * 0.99)], share: share() };
  }
  const given = contender.programs[id];
  if (given === undefined) throw new Error(`${who} has no program for ${id}`);
  const program = typeof given === "function" ? { run: (_, n, size) => given(n, size) } : given;
  if (row.kind === "bytes") return bytes(row, program);
  if (row.kind === "rate") return { rate: await program.run(undefined, row.n), share: share() };
  return { ...(await time(row, program, size)), share: share() };
}

// When nothing is left that could wake it, a process ends, and says nothing of the promises that still wait.
process.on("beforeExit", () => {
  console.error("it waits for something that never comes");
  process.exit(1);
});

const [who, id, size] = process.argv.slice(2);
if (id === undefined) {
  console.error(
    "usage: node --expose-gc bench/harness/sample.mjs CONTENDER ROW [SIZE]\nnpm run bench -- --help lists both",
  );
  process.exit(2);
}
const result = await sample(who, id, size === undefined ? undefined : Number(size));
console.log(JSON.stringify(result));
process.exit(0);
