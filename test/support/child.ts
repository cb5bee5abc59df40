/**
 * Programs in a process of their own, for what ends a process: signals and uncaught errors. They import headgate as
 * users do, so they run what is published, `dist`.
 */
import { execFile, execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** How a program ended. */
export interface End {
  /** Its exit code; null if a signal killed it. */
  code: number | null;
  /** The signal that killed it, if one did: SIGKILL if it would not end by itself. */
  signal: string | null;
  /** What it printed, by lines. */
  lines: string[];
  /** What it printed as errors. */
  errors: string;
}

/** Runs the text of an ES module as a program, until it ends. `flags` are Node's. Call {@link build} first. */
export function run(program: string, flags: readonly string[] = []): Promise<End> {
  return new Promise((resolve) => {
    const args = [...flags, "--input-type=module", "--eval", program];
    const options = { cwd: root, timeout: 55_000, killSignal: "SIGKILL" } as const;
    const child = execFile(process.execPath, args, options, (_, out, errors) => {
      resolve({ code: child.exitCode, signal: child.signalCode, lines: out.split("\n").slice(0, -1), errors });
    });
  });
}

/** Builds `dist` if it is missing: `npm test` builds it first, but a test file may be run alone. */
export function build(): void {
  if (!existsSync(join(root, "dist/core.js"))) execFileSync("npm", ["run", "--silent", "build"], { cwd: root });
}
