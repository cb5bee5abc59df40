/**
 * The programs of docs/rosetta.md, and what each column of them prints.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { transformSync } from "esbuild";
import { build } from "../support/child.ts";

export const root: string = fileURLToPath(new URL("../..", import.meta.url));
const folder = join(root, "docs/rosetta");

/** The programs of one ending, by name and without it. */
export const namesOf = (ending: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length))
    .sort();

export const textOf = (file: string): string => readFileSync(join(folder, file), "utf8");

/** The line that all columns of a row print. */
export const lineOf = (name: string): string => textOf(`${name}.out`);

/** What comes before the output of each program. */
const mark = (file: string): string => `\n== ${file}\n`;

/** The outputs of many programs in one, by their names. */
function parted(output: string, files: readonly string[]): Map<string, string> {
  const starts = files.map((file) => output.indexOf(mark(file)));
  return new Map(
    files.map((file, i) => {
      const end = starts.find((start) => start > starts[i]!) ?? output.length;
      return [file, starts[i]! < 0 ? "it has not run\n" : output.slice(starts[i]! + mark(file).length, end)];
    }),
  );
}

/** Runs the columns of headgate and of plain JavaScript, all in one process, against the built package. */
export function runJS(): { outputs: Map<string, string>; errors: string } {
  build();
  const built = join(root, ".build/rosetta");
  rmSync(built, { recursive: true, force: true });
  mkdirSync(built, { recursive: true });
  for (const name of namesOf(".ts")) {
    const { code } = transformSync(textOf(`${name}.ts`), { loader: "ts", target: "es2022", format: "esm" });
    writeFileSync(join(built, `${name}.js`), code);
  }
  const files = [...namesOf(".ts").map((name) => `${name}.ts`), ...namesOf(".mjs").map((name) => `${name}.mjs`)];
  const program = files.map((file) => {
    const path = file.endsWith(".ts") ? join(built, file.replace(".ts", ".js")) : join(folder, file);
    return `process.stdout.write(${JSON.stringify(mark(file))}); await import(${JSON.stringify(pathToFileURL(path).href)});`;
  });
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program.join("\n")], {
    cwd: root,
    encoding: "utf8",
    timeout: 50_000,
    killSignal: "SIGKILL",
  });
  return { outputs: parted(stdout, files), errors: stderr };
}

// ----------------------------------------------------------------------------------------------------------------------------- Go

const { GO: go = "go" } = process.env;

/** Where a distribution puts the sources of golang.org/x/sync. */
const DISTRIBUTED = "/usr/share/gocode";

function output(args: readonly string[], cwd: string, env: Record<string, string> = {}): string {
  const { error, status, stdout, stderr } = spawnSync(go, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: "utf8",
    timeout: 300_000,
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

/** The version of Go that a program needs: its build constraint. */
function needs(name: string): number {
  return Number(/^\/\/go:build go1\.(\d+)$/m.exec(textOf(`${name}.go`))?.[1] ?? 0);
}

/**
 * The Go programs as one, built and run once. Returns the reason if there is no Go. A program that needs a newer one is left out. So
 * are those with golang.org/x/sync, if that can neither be downloaded nor found.
 */
export function runGo(): { outputs: Map<string, string>; left: string[] } | { reason: string } {
  let version: number;
  let gopath: string;
  const built = mkdtempSync(join(tmpdir(), "rosetta-"));
  try {
    const [text, path] = output(["env", "GOVERSION", "GOPATH"], built).trim().split("\n");
    gopath = path!;
    version = Number(/^go1\.(\d+)/.exec(text!)?.[1] ?? 0);
  } catch (error) {
    rmSync(built, { recursive: true });
    return { reason: String((error as Error).message).split("\n")[0]! };
  }
  const all = namesOf(".go");
  const isOld = (name: string): boolean => needs(name) <= version;
  const usesSync = (name: string): boolean => textOf(`${name}.go`).includes('"golang.org/x/sync/');
  // As bench/contenders/go.mjs does it.
  const ways = [
    { with: true, env: { GO111MODULE: "on", GOFLAGS: "-mod=mod" } },
    { with: true, env: { GO111MODULE: "off", GOPATH: [gopath, DISTRIBUTED].join(delimiter) } },
    { with: false, env: { GO111MODULE: "on" } },
  ];
  try {
    writeFileSync(join(built, "go.mod"), readFileSync(join(root, "bench/go/go.mod"), "utf8"));
    writeFileSync(join(built, "go.sum"), readFileSync(join(root, "bench/go/go.sum"), "utf8"));
    for (const name of all.filter(isOld)) {
      const program = textOf(`${name}.go`)
        .replace("//go:build ignore\n", "")
        .replace(/^func main\(\)/m, `func program${name.slice(0, 2)}()`);
      writeFileSync(join(built, `p${name}.go`), program);
    }
    const reasons: string[] = [];
    for (const way of ways) {
      const names = all.filter((name) => isOld(name) && (way.with || !usesSync(name)));
      if (!way.with) {
        for (const name of all.filter(usesSync)) rmSync(join(built, `p${name}.go`), { force: true });
        writeFileSync(join(built, "go.mod"), "module rosetta\n\ngo 1.19\n");
      }
      const calls = names.map(
        (name) => `\tfmt.Print(${JSON.stringify(mark(`${name}.go`))})\n\tprogram${name.slice(0, 2)}()\n`,
      );
      writeFileSync(join(built, "main.go"), `package main\n\nimport "fmt"\n\nfunc main() {\n${calls.join("")}}\n`);
      try {
        output(["build", "-buildvcs=false", "-o", "rosetta.exe", "."], built, way.env);
      } catch (error) {
        reasons.push((error as Error).message);
        continue;
      }
      const { stdout, stderr } = spawnSync(join(built, "rosetta.exe"), { encoding: "utf8", timeout: 60_000 });
      const outputs = parted(
        stdout,
        names.map((name) => `${name}.go`),
      );
      if (stderr !== "") throw new Error(stderr);
      return { outputs, left: all.filter((name) => !names.includes(name)) };
    }
    throw new Error(reasons.join("\n"));
  } finally {
    rmSync(built, { recursive: true });
  }
}
