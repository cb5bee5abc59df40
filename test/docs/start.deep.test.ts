/**
 * What a newcomer does: installs headgate in an empty folder, pastes the programs of README.md and docs/start.md, and runs them. The
 * compiler is set up as the page says.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { build } from "../support/child.ts";
import { fencesOf, type Fence } from "./fences.ts";
import { root } from "./pages.ts";
import { node } from "./program.ts";

const { installed } = (await import(pathToFileURL(join(root, "test/support/packed.mjs")).href)) as {
  installed: () => string;
};

const patience = { timeout: 600_000 };
const fences = ["README.md", "docs/start.md"].flatMap((page) => fencesOf(page));
const programs = (kind: string): Fence[] => fences.filter((fence) => fence.kind === kind);
/** The settings on docs/start.md: those for Node, and those for a bundler. */
const settings = programs("json").map(({ code }) => JSON.parse(code) as { compilerOptions: Record<string, unknown> });

let user: string;
beforeAll(() => {
  build();
  user = installed();
}, patience.timeout);

/** Writes the TypeScript of the pages and one of the settings into a folder of the project. */
function typed(folder: string, options: Record<string, unknown>): string {
  const path = join(user, folder);
  mkdirSync(path);
  const config = { compilerOptions: { ...options, types: [] }, include: ["*.ts"] };
  writeFileSync(join(path, "tsconfig.json"), JSON.stringify(config));
  for (const { line, code } of programs("ts")) writeFileSync(join(path, `line-${line}.ts`), code);
  return path;
}

const compile = (path: string) => node(path, join(root, "node_modules/typescript/bin/tsc"), "-p", ".");

describe("a project in which headgate is installed", () => {
  it("has programs to run, and settings for Node and for a bundler", () => {
    expect([programs("js").length, programs("ts").length]).toEqual([2, 1]);
    expect(settings.map(({ compilerOptions: { module } }) => module)).toEqual(["nodenext", "preserve"]);
  });

  it.each(programs("js"))("runs the JavaScript at line $line of $file as it was pasted", patience, async (fence) => {
    writeFileSync(join(user, `line-${fence.line}.mjs`), fence.code);
    const ended = await node(user, `line-${fence.line}.mjs`);
    expect(ended).toEqual({ printed: fence.prints, stderr: "", code: 0 });
  });

  it("compiles the TypeScript for Node, and runs it", patience, async () => {
    const path = typed("for-node", settings[0]!.compilerOptions);
    expect(await compile(path)).toEqual({ printed: [], stderr: "", code: 0 });
    for (const { line, prints } of programs("ts"))
      expect(await node(path, `dist/line-${line}.js`)).toEqual({ printed: prints, stderr: "", code: 0 });
  });

  it("compiles the TypeScript for a bundler", patience, async () => {
    const path = typed("for-a-bundler", settings[1]!.compilerOptions);
    expect(await compile(path)).toEqual({ printed: [], stderr: "", code: 0 });
  });

  it("has a syntax error where `using` is too new for this Node, and only there", patience, async () => {
    const program = fencesOf("docs/faq.md").find(({ code }) => /^using /m.test(code))!;
    writeFileSync(join(user, "using.mjs"), program.code);
    const { printed, stderr, code } = await node(user, "using.mjs");
    const isNew = Number(process.versions.node.split(".")[0]) >= 24;
    expect({ printed, code }).toEqual(isNew ? { printed: ["undefined"], code: 0 } : { printed: [], code: 1 });
    if (!isNew) expect(stderr).toContain("SyntaxError: Unexpected identifier '_'");
  });
});
