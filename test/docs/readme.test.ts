/**
 * The README is short, and keeps what others rely on: the commands for a clone, and what it says of other pages.
 */
import { describe, expect, it } from "vitest";
import { fencesOf } from "./fences.ts";
import { read } from "./pages.ts";

const readme = read("README.md");
const lines = readme.split("\n");

describe("the README", () => {
  it("has at most 110 lines", () => {
    expect(lines.length - 1).toBeLessThanOrEqual(110);
  });

  it("has the commands for a clone on its first screen, in one fence, and nothing else in it", () => {
    const shell = fencesOf("README.md").filter(({ kind }) => kind === "sh");
    expect(shell.map(({ code }) => code)).toEqual(["npm ci && npm run demo\nnpm ci && npm test"]);
    expect(shell[0]!.line).toBeLessThan(40);
  });

  it("begins with the problem, how to install it, and a program in plain JavaScript of about ten lines", () => {
    const program = fencesOf("README.md")[0]!;
    expect(program.kind).toBe("js");
    const code = program.code.split("\n").filter((line) => line !== "" && !line.startsWith("//"));
    expect(code.length).toBeLessThanOrEqual(13);
    expect(lines.slice(0, program.line).join("\n")).toContain("`npm install headgate`");
  });

  it("names each kind of runtime that the table of docs/runtimes.md has", () => {
    const [, table] = /<!-- where it runs -->([^]*?)<!-- end of where it runs -->/.exec(read("docs/runtimes.md"))!;
    const [, cells] = /^\|---\|---\|\n([^]*?)^\| Vitest/m.exec(table!)!;
    const kinds = new Set([...cells!.matchAll(/(?:\| |, )([A-Z]\w+|workerd)/g)].map(([, kind]) => kind!));
    expect([...kinds].sort()).toEqual(["Bun", "Chromium", "Deno", "Node", "workerd"]);
    const [, said] = /^## Where it runs.*\n([^]*?)^## /m.exec(readme)!;
    for (const kind of kinds) expect(said).toContain(kind === "Chromium" ? "browsers" : kind);
  });
});
