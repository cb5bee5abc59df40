/**
 * The programs of bench/: what they make of samples, however those turned out, and of a command line, however it is misspelt. Nothing is
 * measured here.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { generator } from "./support/random.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

interface Sample {
  readonly round: number;
  readonly row: string;
  readonly who: string;
  readonly size?: number;
  readonly [key: string]: unknown;
}
interface Row {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly kind?: string;
  readonly group?: string;
  readonly target?: number;
}
interface Contender {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly notes: Record<string, string>;
}
interface Figure {
  readonly best?: string;
  readonly of: ReadonlyMap<string, { failed?: string; isBusy?: boolean; factor?: Record<string, unknown> }>;
}
interface Results {
  readonly samples: readonly Sample[];
  readonly contenders: readonly Contender[];
}

const module = async <T>(name: string): Promise<T> =>
  (await import(pathToFileURL(join(root, "bench", name)).href)) as T;
const { figuresOf } = await module<{ figuresOf: (results: Results, rows: readonly Row[]) => Figure[] }>(
  "harness/figures.mjs",
);
const { tableOf, busyText } = await module<{
  tableOf: (figures: Figure[], contenders: readonly Contender[]) => string;
  busyText: (figures: Figure[]) => string | undefined;
}>("report/table.mjs");
const pages = await module<{
  groupPart: (figures: Figure[], contenders: readonly Contender[]) => string;
  behindPart: (figures: Figure[], contenders: readonly Contender[]) => string;
  goPart: (figures: Figure[]) => string;
  scalingPart: (figures: Figure[], picture?: string) => string;
}>("report/pages.mjs");
const { worse } = await module<{
  worse: (figures: Figure[], baseline: { rows: Record<string, unknown> }) => readonly unknown[];
}>("harness/baseline.mjs");

const row: Row = { id: "child", group: "context", title: "child: create + cancel", unit: "context", target: 2 };
const contenders: readonly Contender[] = [
  { id: "headgate", name: "headgate", kind: "headgate", notes: {} },
  { id: "one", name: "one", kind: "rival", notes: {} },
  { id: "other", name: "other", kind: "rival", notes: {} },
  { id: "go-1", name: "Go, 1 core", kind: "go", notes: {} },
];
const QUIET = 0.99;
/** A sample of a time, which took so many h of 50 ns. */
const took = (who: string, round: number, ratio: number, share = QUIET): Sample => ({
  round,
  row: "child",
  who,
  ns: 50 * ratio,
  h: 50,
  ratio,
  share,
});
const figureOf = (samples: readonly Sample[], rows: readonly Row[] = [row]): Figure =>
  figuresOf({ samples, contenders }, rows)[0]!;
const lineOf = (figure: Figure): string =>
  tableOf([figure], contenders)
    .split("\n")
    .find((line) => line.includes(row.title))!;
const everything = (figure: Figure): string =>
  [
    tableOf([figure], contenders),
    pages.groupPart([figure], contenders),
    pages.behindPart([figure], contenders),
    pages.goPart([figure]),
  ].join("\n");

describe("a comparison", () => {
  it("is shown in one unit: what is said of a rival in h stands beside h, and of Go in ns beside ns", () => {
    const go = { round: 0, row: "child", who: "go-1", ns: 400 };
    const line = lineOf(figureOf([took("headgate", 0, 3), took("one", 0, 2), go]));
    expect(line.trim().split(/ {2,}/)).toEqual([
      "child: create + cancel",
      "150 ns",
      "3.0 h",
      "≤ 2",
      "one",
      "2.0 h",
      "1.5× SLOWER than it",
      "400 ns",
      "2.7× faster than it",
      "! TARGET MISSED, RIVAL BETTER",
    ]);
  });

  it("says nothing where the machine was too busy, however clear the figures seem", () => {
    const figure = figureOf(
      [0, 1, 2].flatMap((round) => [took("headgate", round, 6, 0.4), took("one", round, 2, 0.4)]),
    );
    expect(lineOf(figure)).toContain("one  2.0 h  too busy to compare");
    expect(everything(figure)).not.toMatch(/faster|slower|BETTER|MISSED|missed/i);
    expect(busyText([figure])).toMatch(/^too busy to compare: 1 of 1 rows/);
    expect(worse([figure], { rows: { child: { cost: 1, best: "one", factor: 1 } } })).toEqual([]);
  });

  it("says nothing where the rounds do not agree", () => {
    const ours = [2, 9, 2, 9, 2, 9].map((ratio, round) => took("headgate", round, ratio));
    const theirs = [3, 3, 3, 3, 3, 3].map((ratio, round) => took("one", round, ratio));
    const figure = figureOf([...ours, ...theirs]);
    expect(lineOf(figure)).toContain("too busy to compare");
    expect(busyText([figure])).toContain("too busy to compare");
  });

  it("is made where the machine was quiet, and then nothing is said of it", () => {
    const figure = figureOf([0, 1, 2].flatMap((round) => [took("headgate", round, 3), took("one", round, 2)]));
    expect(lineOf(figure)).toContain("one  2.0 h  1.5× SLOWER than it");
    expect(busyText([figure])).toBeUndefined();
    expect(worse([figure], { rows: { child: { cost: 1, best: "one", factor: 1 } } })).toHaveLength(1);
  });

  it("is of the medians, and said to be, where no round has both", () => {
    const figure = figureOf([
      { round: 0, row: "child", who: "headgate", failed: "it was not done after 10 s" },
      took("one", 0, 8),
      took("headgate", 1, 2),
      took("headgate", 2, 2),
    ]);
    expect([figure.best, figure.of.get("one")!.factor]).toEqual(["one", expect.objectContaining({ median: 0.25 })]);
    expect(lineOf(figure)).toContain("one  8.0 h  ≈ 4.0× faster than it");
    expect(pages.groupPart([figure], contenders)).toContain("| one 8.0 | ≈ 4.0× faster |");
  });

  it("has the nearest rival as the best, also beside one that no round compares", () => {
    const figure = figureOf([took("one", 0, 40), took("headgate", 1, 2), took("other", 1, 3), took("one", 7, 40)]);
    expect(figure.best).toBe("other");
  });

  it.each([
    ["null, which JSON has for what is no number", { ns: null, h: 50, ratio: null }],
    ["infinite", { ns: Infinity, h: 0, ratio: Infinity }],
    ["no number", { ns: NaN, h: NaN, ratio: NaN }],
    ["not there", {}],
  ])("takes a sample for failed that is %s", (_, measured) => {
    const bad = { round: 0, row: "child", who: "one", ...measured };
    const figure = figureOf([took("headgate", 0, 3), bad, took("other", 0, 4)]);
    expect([figure.best, figure.of.get("one")!.failed]).toEqual(["other", "what it measured is no number"]);
  });

  it("is none with a rival that takes nothing at all", () => {
    const bytes: Row = { id: "child", group: "context", title: row.title, unit: "bytes", kind: "bytes" };
    const held = (who: string, bytes: number): Sample => ({ round: 0, row: "child", who, bytes });
    const figure = figureOf([held("headgate", 80), held("one", -3), held("other", 100)], [bytes]);
    expect([figure.best, figure.of.get("one")!.factor]).toEqual(["other", undefined]);
    expect(everything(figure)).not.toMatch(/NaN|Infinity|undefined/i);
  });

  it.each(Array.from({ length: 200 }, (_, seed) => seed))(
    "never says what the figures beside it contradict, and never a word for a number: seed %i",
    (seed) => {
      const chance = generator(seed + 1);
      const samples: Sample[] = [];
      for (const { id } of contenders) {
        const level = 1 + 3 * chance();
        for (let round = 0; round < 6; round++) {
          if (chance() < 0.3) continue;
          const kind = chance();
          const noisy = level * (0.6 + 0.8 * chance());
          if (kind < 0.1) samples.push({ round, row: "child", who: id, failed: "it failed" });
          else if (kind < 0.15) samples.push({ round, row: "child", who: id, ns: null, h: null, ratio: null });
          else if (id === "go-1") samples.push({ round, row: "child", who: id, ns: 50 * noisy });
          else samples.push(took(id, round, noisy, chance() < 0.1 ? 0.5 : QUIET));
        }
      }
      for (const figure of figuresOf({ samples, contenders }, [row])) {
        expect(everything(figure)).not.toMatch(/NaN|Infinity|undefined|null/i);
        const line = lineOf(figure);
        const [, ours, theirs, said] =
          /(\d[\d.]*) h .*?(\d[\d.]*) h {2,}(?:≈ )?\S+× (SLOWER|faster) than it/.exec(line) ?? [];
        if (said === "SLOWER") expect(Number(ours)).toBeGreaterThanOrEqual(Number(theirs));
        if (said === "faster") expect(Number(ours)).toBeLessThanOrEqual(Number(theirs));
      }
    },
  );
});

describe("a comparison on a real broker", async () => {
  const brokers = await module<{ figuresOf: (results: unknown) => { rates: unknown[]; stops: unknown[] }[] }>(
    "brokers/figures.mjs",
  );
  const table = await module<{ tableOf: (figures: unknown[]) => string }>("brokers/table.mjs");
  const broker = { id: "redis", title: "Redis", version: "7" };
  const both = [
    { broker: "Redis", id: "headgate", name: "headgate", kind: "headgate" },
    { broker: "Redis", id: "bullmq", name: "BullMQ", kind: "rival" },
  ];
  const said = (
    rates: readonly (readonly [who: string, round: number, rate: number | null, share: number])[],
  ): string => {
    const samples = rates.map(([who, round, rate, share]) => ({ row: "speed redis", who, round, rate, share }));
    return table.tableOf(brokers.figuresOf({ samples, contenders: both, brokers: [broker] }));
  };

  it("says which is faster where the machine was quiet", () => {
    const text = said([
      ["headgate", 0, 5000, QUIET],
      ["bullmq", 0, 1000, QUIET],
    ]);
    expect(text).toMatch(/BullMQ +1 000 +headgate is 5\.0× faster\n/);
  });

  it("says nothing where the machine was too busy", () => {
    const text = said([
      ["headgate", 0, 5000, 0.5],
      ["bullmq", 0, 1000, 0.5],
    ]);
    expect(text).toMatch(/BullMQ +1 000 +too busy to compare\n/);
  });

  it("never has a word for a number, also where no round has both", () => {
    const text = said([
      ["headgate", 0, null, QUIET],
      ["headgate", 1, 5000, QUIET],
      ["bullmq", 0, 1000, QUIET],
    ]);
    expect(text).toMatch(/BullMQ +1 000 +headgate is ≈ 5\.0× faster\n/);
    expect(text).not.toMatch(/NaN|undefined|Infinity|null/);
  });
});

describe("the page", () => {
  it("shows a picture of all contenders only where there is one", () => {
    const size: Row = { id: "scale", title: "beside N others", unit: "context" };
    const figures = figuresOf({ samples: [{ ...took("headgate", 0, 3), row: "scale", size: 10 }], contenders }, [size]);
    expect(pages.scalingPart(figures)).not.toContain("![");
    expect(pages.scalingPart(figures, "benchmarks/all.svg")).toMatch(/\n\n!\[.*\]\(benchmarks\/all\.svg\)$/);
  });
});

// ------------------------------------------------------------------------------------------------------------ command lines

const bench = (program: string, ...args: string[]): { code: number | null; out: string; errors: string } =>
  benchIn({}, program, ...args);

const benchIn = (
  extra: Readonly<Record<string, string>>,
  program: string,
  ...args: string[]
): { code: number | null; out: string; errors: string } => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, "bench", program), ...args], {
    encoding: "utf8",
    env: { ...process.env, npm_lifecycle_event: "bench", ...extra },
  });
  return { code: status, out: stdout, errors: stderr };
};

describe.each(["harness/run.mjs", "report/report.mjs", "testing.mjs", "brokers/run.mjs"])("bench/%s", (program) => {
  it("with --help lists its options, and measures nothing", () => {
    const { code, out, errors } = bench(program, "--help");
    expect([code, errors]).toEqual([0, ""]);
    expect(out).toMatch(/^npm run bench\S* -- /);
    expect(out).toContain("\n  --help");
    expect(out).not.toMatch(/^node v/m);
  });

  it.each(["--fast", "nonsense"])("answers %s in a sentence", (argument) => {
    const { code, out, errors } = bench(program, argument);
    expect([code, out]).toEqual([2, ""]);
    expect(errors).toContain(argument);
    expect(errors).toContain("--help tells what there is");
    expect(errors).not.toMatch(/^ +at |positional/m);
  });

  it("ends without a word when nobody reads any more what it prints", async () => {
    const child = spawn(process.execPath, [join(root, "bench", program), "--help"], { stdio: "pipe" });
    child.stdout.destroy();
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
    const code = await new Promise((resolve) => child.on("close", resolve));
    expect([code, errors]).toEqual([0, ""]);
  });
});

describe("the options of the benchmarks", () => {
  const folder = mkdtempSync(join(tmpdir(), "headgate-bench-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([
    [
      ["--only", "nope"],
      'there is no row and no group called "nope"; there are\n',
      ["unbuffered", "scale-cases", "memory"],
    ],
    [["--only", "select,Select"], 'called "Select"', ["select-2"]],
    [["--contenders", "nope"], 'there is no contender called "nope"; there are\n', ["headgate", "medium", "go"]],
    [["--rounds", "0"], '--rounds takes a whole number of 1 or more, not "0"', []],
    [["--rounds", "many"], '--rounds takes a whole number of 1 or more, not "many"', []],
    [["--also", "path"], '--also takes NAME=PATH, not "path"', []],
    [["--also", "old=/no/such/path"], "--also old: /no/such/path is no build of headgate", []],
    [["--only", ""], "--only takes names, and there is none", []],
    [["--contenders", ","], "--contenders takes names, and there is none", []],
    [["--save"], "--save is for a run of everything", []],
  ])("%j are answered in a sentence, with the names there are", (args, sentence, names) => {
    const { code, out, errors } = bench("harness/run.mjs", ...args);
    expect([code, out]).toEqual([2, ""]);
    expect(errors).toContain(sentence);
    for (const name of names) expect(errors).toMatch(new RegExp(`[ ,]${name}\\b`));
    expect(errors).not.toMatch(/^ +at /m);
  });

  it("that npm has kept to itself are refused, with how they reach the program", () => {
    const { code, errors } = benchIn({ npm_config_full: "true" }, "harness/run.mjs");
    expect(code).toBe(2);
    expect(errors).toContain(
      "npm has kept --full to itself: options come behind a --, as in npm run bench -- --full\n",
    );
  });

  it("for the brokers are answered in a sentence, with the names there are", () => {
    const { code, errors } = bench("brokers/run.mjs", "reddis");
    expect(code).toBe(2);
    expect(errors).toContain(
      'there is no broker called "reddis"; there are redis, postgres, nats, rabbitmq, pubsub and memory',
    );
    expect(bench("brokers/run.mjs", "redis", "--messages", "-1").code).toBe(2);
  });

  it.each(["harness/sample.mjs", "brokers/sample.mjs"])(
    "of %s, which others call, are told in a sentence, too",
    (program) => {
      const { code, errors } = bench(program);
      expect(code).toBe(2);
      expect(errors).toMatch(/^usage: node --expose-gc bench\//);
    },
  );

  it("of a report that cannot be read are answered in a sentence", () => {
    const file = join(folder, "none.json");
    expect(bench("report/report.mjs", "--from", file).errors).toContain(`--from ${file}: ENOENT`);
    writeFileSync(file, '{"samples":1}');
    const { code, errors } = bench("report/report.mjs", "--from", file);
    expect([code, errors]).toEqual([2, `--from ${file}: there are no samples in it\n`]);
  });
});
