/**
 * Every snippet of the documentation runs, and prints what it says: README.md, docs/**.md, and the examples in docstrings.
 *
 * A fence `ts` must run, and its `// => …` comments, in order, are what it prints. `ts more` goes on where the fence before it ended.
 * `ts no-run` is only type-checked. The snippets are written to .docs-snippets/, so that the compiler sees them, too.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { formatWithOptions } from "node:util";
import { afterAll, describe, expect, it, vi } from "vitest";

const root = new URL("../..", import.meta.url).pathname;
const out = join(root, ".docs-snippets");

interface Snippet {
  readonly file: string;
  readonly line: number;
  readonly mode: string;
  readonly code: string;
  readonly expected: readonly string[];
}

function filesUnder(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : filesUnder(path, ending);
    return path.endsWith(ending) ? [path] : [];
  });
}

function snippetsOf(file: string): Snippet[] {
  const lines = readFileSync(join(root, file), "utf8").split("\n");
  const isSource = file.endsWith(".ts");
  const found: Snippet[] = [];
  for (let i = 0; i < lines.length; i++) {
    const fence = /^(\s*(?:\* )?)```(ts|js|javascript|typescript)\b ?(.*)$/.exec(lines[i]!);
    if (fence === null) continue;
    const begin = i + 1;
    const body: string[] = [];
    while (!/^\s*(?:\* )?```$/.test(lines[++i]!)) body.push(isSource ? lines[i]!.replace(/^\s*\* ?/, "") : lines[i]!);
    const mode = `${fence[2]} ${fence[3]}`.trim();
    const before = mode === "ts more" ? found.at(-1) : undefined;
    const code = [...(before?.code.split("\n") ?? []), ...body];
    const expected = code.flatMap((line) => /\/\/ => (.*)$/.exec(line)?.slice(1) ?? []);
    found.push({ file, line: begin, mode, code: code.join("\n"), expected });
  }
  return found;
}

const files = ["README.md", "CONTRIBUTING.md", ...filesUnder("docs", ".md"), ...filesUnder("src", ".ts")];
const fences = files.flatMap(snippetsOf);
const programs = fences.filter(({ mode }) => /^js (\w+\.mjs\b|keys, )/.test(mode));
const snippets = fences.filter((fence) => !programs.includes(fence));
const pathOf = (s: Snippet): string => join(out, `${s.file.replace(/\W+/g, "-")}-${s.line}.ts`);

rmSync(out, { recursive: true, force: true });
mkdirSync(out);
for (const snippet of snippets) writeFileSync(pathOf(snippet), `${snippet.code}\nexport {};\n`);
afterAll(() => rmSync(out, { recursive: true, force: true }));

describe("the snippets of the documentation", () => {
  it("are files of programs only on the page whose programs are run with real brokers", () => {
    const brokers = ["Redis", "PostgreSQL", "NATS", "RabbitMQ", "Pub/Sub"].flatMap((name) => {
      const keys = name === "NATS" || name === "RabbitMQ" ? [`keys, ${name}`] : [];
      return [`broker.mjs, ${name}`, ...keys];
    });
    const names = ["worker.mjs", "publish.mjs", ...brokers];
    expect(programs.map(({ file, mode }) => `${file} ${mode}`)).toEqual(
      names.map((name) => `docs/worker.md js ${name}`),
    );
  });

  it("are all fenced as ts, ts more or ts no-run", () => {
    const others = snippets.filter(({ mode }) => !["ts", "ts more", "ts no-run"].includes(mode));
    expect(others.map(({ file, line, mode }) => `${file}:${line} ${mode}`)).toEqual([]);
  });

  it("are many: an empty run is no proof", () => {
    expect(snippets.filter(({ mode }) => mode !== "ts no-run").length).toBeGreaterThan(25);
  });

  it("pass the type checker", () => {
    const config = {
      extends: "../test/tsconfig.json",
      compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
      files: snippets.map(pathOf),
      include: [],
    };
    writeFileSync(join(out, "tsconfig.json"), JSON.stringify(config));
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    let said = "";
    try {
      execFileSync(process.execPath, [tsc, "-p", out], { encoding: "utf8" });
    } catch (error) {
      said = (error as { stdout: string }).stdout;
    }
    expect(said).toBe("");
  });

  for (const snippet of snippets.filter(({ mode }) => mode !== "ts no-run")) {
    it(`${relative(".", snippet.file)} line ${snippet.line} prints what it says`, async () => {
      const printed: string[] = [];
      const log = vi.spyOn(console, "log").mockImplementation((...args: unknown[]) => {
        printed.push(...formatWithOptions({ colors: false }, ...args).split("\n"));
      });
      try {
        await import(pathToFileURL(pathOf(snippet)).href);
        await vi.waitFor(() => expect(printed.length).toBeGreaterThanOrEqual(snippet.expected.length));
      } finally {
        log.mockRestore();
      }
      expect(printed).toEqual(snippet.expected);
    });
  }
});
