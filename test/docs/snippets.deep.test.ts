/**
 * Every snippet of the documentation runs, and prints what it says: README.md, CONTRIBUTING.md, docs/**.md, and the examples in docstrings.
 * The kinds of fences are in fences.ts.
 *
 * The snippets are written to .docs-snippets/, so that the compiler sees them, too. What runs in a process of its own imports the package
 * as it was built, as yours would: `npm run test:deep` builds it first.
 */
import { transform } from "esbuild";
import { spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { formatWithOptions } from "node:util";
import { semaphore } from "headgate";
import { afterAll, describe, expect, it, vi } from "vitest";
import { fencesOf, isKnown, isOfBrokers, RUN, type Fence } from "./fences.ts";
import { filesUnder, root } from "./pages.ts";

const out = join(root, ".docs-snippets");

const files = ["README.md", "CONTRIBUTING.md", ...filesUnder("docs", ".md")];
const fences = [...files, ...filesUnder("src", ".ts")].flatMap((file) => fencesOf(file));
const are = (...kinds: string[]): Fence[] => fences.filter(({ kind }) => kinds.includes(kind));
const at = ({ file, line }: Fence): string => `${file} line ${line}`;
const pathOf = ({ file, line }: Fence, ending: string): string =>
  join(out, `${file.replace(/\W+/g, "-")}-${line}.${ending}`);

const typed = are("ts", "ts more", "ts no-run", "ts fails");

rmSync(out, { recursive: true, force: true });
mkdirSync(out);
for (const fence of typed) writeFileSync(pathOf(fence, "ts"), `${fence.code}\nexport {};\n`);
afterAll(() => rmSync(out, { recursive: true, force: true }));

interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

/** Two processes at a time. */
const places = new semaphore.Weighted(2);

/** Runs Node, and kills it after a minute. */
async function node(...args: string[]): Promise<Ended> {
  const place = await places.acquire();
  try {
    const child = spawn(process.execPath, args, { cwd: out, stdio: ["ignore", "pipe", "pipe"], timeout: 60_000 });
    const text = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const) {
      child[stream].setEncoding("utf8").on("data", (data: string) => (text[stream] += data));
    }
    const code = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
    return { ...text, code };
  } finally {
    place[Symbol.dispose]();
  }
}

/** Runs a program as it stands on the page, without its types. */
async function runs(fence: Fence): Promise<Ended> {
  const isTyped = fence.kind.startsWith("ts");
  const { code } = isTyped ? await transform(fence.code, { loader: "ts", target: "es2022" }) : fence;
  const file = pathOf(fence, "mjs");
  writeFileSync(file, code);
  return node(file);
}

const linesOf = (text: string): string[] => text.split("\n").slice(0, -1);

/** The first of the texts that is not in the other, behind those before it. */
function missing(texts: readonly string[], said: string): string | undefined {
  let end = 0;
  return texts.find((text) => {
    const begin = said.indexOf(text, end);
    end = begin + text.length;
    return begin < 0;
  });
}

/**
 * The fewest programs on a page, run from there or shown: an empty run is no proof. A page of docs/ that is not in this list has one;
 * those of `none` say what is so, and have none.
 */
const fewest: Readonly<Record<string, number>> = {
  "README.md": 1,
  "docs/borders.md": 5,
  "docs/observability.md": 4,
  "docs/runtimes.md": 1,
  "docs/saga.md": 8,
  "docs/testing.md": 8,
  "docs/worker.md": 4,
};
const none = /^(CONTRIBUTING|docs\/(README|api|benchmarks.*|design|releasing|semantics|(figures|play|site)\/.*))\.md$/;

describe("the snippets of the documentation", () => {
  it("are of the kinds that this test knows", () => {
    expect(fences.filter((fence) => !isKnown(fence)).map((fence) => `${at(fence)}: ${fence.kind}`)).toEqual([]);
  });

  it("are files of programs only on the pages whose programs are run with real brokers", () => {
    const brokers = ["Redis", "PostgreSQL", "NATS", "RabbitMQ", "Pub/Sub"].flatMap((name) => {
      const keys = name === "NATS" || name === "RabbitMQ" ? [`js keys, ${name}`] : [];
      return [`js broker.mjs, ${name}`, ...keys];
    });
    const programs = fences.filter(isOfBrokers);
    expect(programs.map(({ kind }) => kind).sort()).toEqual(["js worker.mjs", "js publish.mjs", ...brokers].sort());
    expect(programs.filter(({ file }) => !/^docs\/(worker|brokers\/.*)\.md$/.test(file))).toEqual([]);
  });

  it("are shown only as files that a test runs", () => {
    expect(
      are("ts shown", "js shown")
        .filter(({ isFile }) => !isFile)
        .map(at),
    ).toEqual([]);
  });

  it.each(files)("are no fewer than they should be in %s", (file) => {
    const those = fences.filter((fence) => fence.file === file && fence.kind !== "ts no-run");
    const count = those.filter(({ kind }) => /^(ts|js)\b/.test(kind)).length;
    expect(count).toBeGreaterThanOrEqual(fewest[file] ?? (none.test(file) ? 0 : 1));
  });

  it("are many", () => {
    expect(are(...RUN).length).toBeGreaterThan(60);
  });

  it("pass the type checker", async () => {
    const config = {
      extends: "../test/tsconfig.json",
      compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
      files: typed.map((fence) => pathOf(fence, "ts")),
      include: [],
    };
    writeFileSync(join(out, "tsconfig.json"), JSON.stringify(config));
    expect(await node(join(root, "node_modules", "typescript", "bin", "tsc"), "-p", out)).toEqual({
      stdout: "",
      stderr: "",
      code: 0,
    });
  });

  for (const snippet of are("ts", "ts more")) {
    it(`${relative(".", snippet.file)} line ${snippet.line} prints what it says`, async () => {
      const printed: string[] = [];
      const log = vi.spyOn(console, "log").mockImplementation((...args: unknown[]) => {
        printed.push(...formatWithOptions({ colors: false }, ...args).split("\n"));
      });
      try {
        await import(pathToFileURL(pathOf(snippet, "ts")).href);
        await vi.waitFor(() => expect(printed.length).toBeGreaterThanOrEqual(snippet.prints.length));
      } finally {
        log.mockRestore();
      }
      expect(printed).toEqual(snippet.prints);
    });
  }

  // All wait for one of two places, so that none has a time of its own.
  const inTurn = { concurrent: true, timeout: 1_200_000 };

  for (const program of are("js")) {
    it(`${at(program)} prints what it says`, inTurn, async ({ expect }) => {
      const { stdout, stderr, code } = await runs(program);
      expect({ stderr, code, printed: linesOf(stdout) }).toEqual({ stderr: "", code: 0, printed: program.prints });
    });
  }

  for (const program of are("ts fails", "js fails")) {
    it(`${at(program)} fails as it says`, inTurn, async ({ expect }) => {
      const { stdout, stderr, code } = await runs(program);
      expect({ printed: linesOf(stdout), missing: missing(program.complains, stderr), stderr }).toEqual({
        printed: program.prints,
        missing: undefined,
        stderr,
      });
      // Killed, it has no code.
      expect(code).toEqual(program.exit ?? expect.any(Number));
      expect(code).not.toBe(0);
    });
  }
});

describe("what reads them", () => {
  const of = (text: string): Fence[] => fencesOf("docs/page.md", text);

  it("takes the kind, the line, and what a program is to do", () => {
    const [fence] = of("a\n```js fails\nb(); // => c\nd();\n// !> e\n// !> f\n// exit 13\n```\n");
    expect(fence).toMatchObject({ line: 2, kind: "js fails", prints: ["c"], complains: ["e", "f"], exit: 13 });
  });

  it("goes on where the fence of the same language before it ended", () => {
    const fences = of("```ts\na(); // => 1\n```\n```text\nx\n```\n```ts more\nb(); // => 2\n```\n");
    expect(fences[2]).toMatchObject({ code: "a(); // => 1\nb(); // => 2", prints: ["1", "2"] });
  });

  it("knows the text of a file", () => {
    const fences = of("<!-- file: docs/a.ts -->\n\n```ts shown\n```\n<!-- end of file -->\n```ts shown\n```\n");
    expect(fences.map(({ isFile }) => isFile)).toEqual([true, false]);
  });

  it.each(["typescript", "javascript", "ts nonsense", "js more"])("does not know the kind %j", (kind) => {
    expect(of(`\`\`\`${kind}\n\`\`\`\n`).map(isKnown)).toEqual([false]);
  });

  it.each([
    [["b", "d"], undefined],
    [["d", "b"], "b"],
    [["e"], "e"],
  ])("finds of %j in abcd, in order, all but %s", (texts, first) => {
    expect(missing(texts, "abcd")).toBe(first);
  });
});

describe("a program in a process of its own", () => {
  const program = (kind: string, code: string): Fence => ({
    ...fencesOf("docs/page.md", `\`\`\`${kind}\n${code}\n\`\`\``)[0]!,
  });

  it("has the package that was built, as an ES module", async () => {
    const text =
      'import { Chan } from "headgate";\nconst ch = new Chan(1);\nawait ch.send(1);\nconsole.log(await ch.recv());';
    expect(await runs(program("js", text))).toEqual({ stdout: "[ 1, true ]\n", stderr: "", code: 0 });
  });

  it("has its types taken away, and what Node 20 does not know is put in other words", async () => {
    const text = "const n: number = 1;\n{\n  using _ = { [Symbol.dispose]: () => console.log(n) };\n}";
    expect(await runs(program("ts fails", text))).toMatchObject({ stdout: "1\n", code: 0 });
  });

  it("may wait for what never comes, which is exit code 13", async () => {
    expect(await runs(program("js fails", "await new Promise(() => {});"))).toMatchObject({ code: 13 });
  });
});
