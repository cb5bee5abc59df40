/**
 * The profile of waits, as rows, as a table and in the format of pprof, which a reader of its own and Go's tool read.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Chan, go, sync } from "headgate";
import * as debug from "headgate/debug";
import { describe, expect, it } from "vitest";
import { pprof } from "../../src/debug/pprof.ts";
import { turn, watched } from "./support.ts";

/** A watch that times every wait. */
const TIMED: debug.WatchOptions = { samples: 1e9 };

async function consumer(ch: Chan<number>): Promise<void> {
  for await (const _ of ch);
}

/** Ten receives that wait, and one that takes a lock. */
async function work(): Promise<void> {
  const ch = new Chan<number>();
  const mu = new sync.Mutex();
  go(() => consumer(ch));
  for (let n = 0; n < 10; n++) {
    await turn();
    await ch.send(n);
  }
  ch.close();
  await mu.lock();
  const second = mu.lock();
  mu.unlock();
  await second;
}

const profileOf = (): Promise<debug.Profile> =>
  watched(async () => {
    await work();
    return debug.profile();
  }, TIMED);

describe("a profile", () => {
  it("has a row for each operation and place, with count, time and histogram", async () => {
    const { rows } = await profileOf();
    const recvs = rows.filter(({ op, stack }) => op === "recv" && stack[0]!.fn === "consumer");
    expect(recvs.reduce((sum, { count }) => sum + count, 0)).toBe(11);
    for (const { count, total, longest, histogram, stack } of recvs) {
      expect(histogram.reduce((sum, n) => sum + n, 0)).toBe(count);
      expect(total).toBeGreaterThanOrEqual(longest);
      expect(stack[0]!.at).toMatch(/^test\/debug\/profile\.test\.ts:\d+:\d+$/);
    }
    expect(rows.map(({ op }) => op)).toContain("lock");
    expect(rows.map(({ total }) => total)).toEqual(rows.map(({ total }) => total).sort((a, b) => b - a));
  });

  it("is a table as text, and plain JSON", async () => {
    const profile = await profileOf();
    const [head, ...lines] = String(profile).split("\n");
    expect(head).toMatch(/^ *total +share +waits +longest +operation +place$/);
    expect(lines).toHaveLength(profile.rows.length);
    expect(lines.find((line) => line.includes("recv"))).toMatch(
      /^ *[\d.]+ms +[\d.]+% +\d+ +[\d.]+ms +recv +consumer \(test\/debug\/profile\.test\.ts:\d+:\d+\)$/,
    );
    expect(JSON.parse(JSON.stringify(profile))).toEqual({ rows: profile.rows });
  });

  it("throws if nothing is watched, and is empty if no wait is timed", async () => {
    expect(() => debug.profile()).toThrow(/^profile: nothing is watched; call watch\(\)/);
    await watched(
      async () => {
        await work();
        expect(debug.profile().rows).toEqual([]);
      },
      { samples: 0 },
    );
  });
});

// ------------------------------------------------------------------------------------------------- the format of pprof

type Field = readonly [field: number, value: number | Uint8Array];

/** The fields of a message: numbers and bytes. */
function fieldsOf(bytes: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let [n, scale] = [0, 1];
    for (; bytes[at]! > 127; at++, scale *= 128) n += (bytes[at]! - 128) * scale;
    return n + bytes[at++]! * scale;
  };
  while (at < bytes.length) {
    const tag = varint();
    const n = varint();
    if (tag % 8 === 0) fields.push([tag >> 3, n]);
    else if (tag % 8 === 2) fields.push([tag >> 3, bytes.slice(at, (at += n))]);
    else throw new Error(`a field of wire type ${tag % 8}`);
  }
  return fields;
}

const all = (fields: readonly Field[], wanted: number): Uint8Array[] =>
  fields.filter(([field]) => field === wanted).map(([, value]) => value as Uint8Array);
const number = (message: Uint8Array, wanted: number): number =>
  (fieldsOf(message).find(([field]) => field === wanted)?.[1] as number | undefined) ?? 0;
/** The numbers of a packed field. */
const packed = (message: Uint8Array, wanted: number): number[] =>
  all(fieldsOf(message), wanted).flatMap((bytes) => {
    // As fields of the number 0, so that one reader does for both.
    const numbers: number[] = [];
    for (let at = 0; at < bytes.length;) {
      let [n, scale] = [0, 1];
      for (; bytes[at]! > 127; at++, scale *= 128) n += (bytes[at]! - 128) * scale;
      numbers.push(n + bytes[at++]! * scale);
    }
    return numbers;
  });

/** The samples of a profile: stack, values and labels. */
function samplesOf(profile: Uint8Array) {
  const fields = fieldsOf(profile);
  const strings = all(fields, 6).map((bytes) => new TextDecoder().decode(bytes));
  const functions = new Map(all(fields, 5).map((fn) => [number(fn, 1), fn]));
  const locations = new Map(all(fields, 4).map((location) => [number(location, 1), location]));
  const types = all(fields, 1).map((type) => `${strings[number(type, 1)]}/${strings[number(type, 2)]}`);
  const samples = all(fields, 2).map((sample) => ({
    stack: packed(sample, 1).map((id) => {
      const [line] = all(fieldsOf(locations.get(id)!), 4) as [Uint8Array];
      const fn = functions.get(number(line, 1))!;
      return `${strings[number(fn, 2)]} ${strings[number(fn, 4)]}:${number(line, 2)}`;
    }),
    values: packed(sample, 2),
    labels: all(fieldsOf(sample), 3).map((label) => `${strings[number(label, 1)]}=${strings[number(label, 2)]}`),
  }));
  return { first: strings[0], types, samples, time: number(profile, 9) };
}

describe("the format of pprof", () => {
  const stack = [
    { fn: "inner", at: "src/a.ts:12:3" },
    { fn: "", at: "C:\\b.ts:300:1" },
  ];

  it("has these bytes", () => {
    const bytes = pprof(
      [["delay", "nanoseconds"]],
      [{ stack: [{ fn: "f", at: "a.js:2:1" }], values: [300], labels: {} }],
      1,
    );
    // The sample type, the sample, its location, its function, the strings, and the time.
    expect(Buffer.from(bytes).toString("hex")).toBe(
      [
        "0a0408011002",
        "12070a01011202ac02",
        "22080801220408011002",
        "2a080801100318032004",
        "3200",
        "320564656c6179",
        "320b6e616e6f7365636f6e6473",
        "320166",
        "3204612e6a73",
        "48c0843d",
      ].join(""),
    );
  });

  it("is read as it was written: types, stacks, lines, large values, labels", () => {
    const values = [3, 12_345_678_901_234];
    const bytes = pprof(
      [
        ["contentions", "count"],
        ["delay", "nanoseconds"],
      ],
      [
        { stack, values, labels: { op: "recv" } },
        { stack: [stack[0]!], values: [1, 0], labels: { op: "lock" } },
        { stack: [], values: [2, 2], labels: {} },
      ],
      1_700_000_000_000,
    );
    expect(samplesOf(bytes)).toEqual({
      first: "",
      types: ["contentions/count", "delay/nanoseconds"],
      samples: [
        { stack: ["inner src/a.ts:12", "C:\\b.ts C:\\b.ts:300"], values, labels: ["op=recv"] },
        { stack: ["inner src/a.ts:12"], values: [1, 0], labels: ["op=lock"] },
        { stack: ["(no stack was taken) :0"], values: [2, 2], labels: [] },
      ],
      time: 1.7e18,
    });
  });

  it("has the rows of a profile", async () => {
    const profile = await profileOf();
    const { samples, types } = samplesOf(profile.toPprof());
    expect(types).toEqual(["contentions/count", "delay/nanoseconds"]);
    expect(samples.map(({ labels }) => labels)).toEqual(profile.rows.map(({ op }) => [`op=${op}`]));
    expect(samples.map(({ values }) => values[0])).toEqual(profile.rows.map(({ count }) => count));
    expect(samples.map(({ values }) => values[1])).toEqual(profile.rows.map(({ total }) => Math.round(total * 1e6)));
  });

  const hasGo = spawnSync("go", ["version"]).status === 0;
  if (!hasGo) process.stderr.write("SKIPPED: Go is not installed, so `go tool pprof` does not read a profile\n");

  it.runIf(hasGo)("is read by go tool pprof, with functions and labels", async () => {
    const profile = await profileOf();
    const folder = mkdtempSync(join(tmpdir(), "headgate-"));
    const file = join(folder, "block.pb");
    writeFileSync(file, profile.toPprof());
    const options = { encoding: "utf8", env: { ...process.env, HOME: folder } } as const;
    const top = execFileSync("go", ["tool", "pprof", "-sample_index=contentions", "-top", file], options);
    expect(top).toMatch(/^Type: contentions$/m);
    expect(top).toMatch(/ consumer$/m);
    const traces = execFileSync("go", ["tool", "pprof", "-traces", file], options);
    expect(traces).toMatch(/op:\s+recv/);
    rmSync(folder, { recursive: true });
  });
});
