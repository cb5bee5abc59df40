/**
 * Programs in a process of their own, for what ends a process: signals and uncaught errors. They import headgate as users do, so
 * they run what is published, `dist`.
 */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

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

/** Runs the text of an ES module as a program, until it ends. Call {@link build} first. */
export function run(program: string): Promise<End> {
  return new Promise((resolve) => {
    const args = ["--input-type=module", "--eval", program];
    const options = { cwd: root, timeout: 15_000, killSignal: "SIGKILL" } as const;
    const child = execFile(process.execPath, args, options, (_, out, errors) => {
      resolve({ code: child.exitCode, signal: child.signalCode, lines: out.split("\n").slice(0, -1), errors });
    });
  });
}

/** Builds `dist` if it is missing or older than the sources. Test files run side by side, so it is exchanged in one step. */
export function build(): void {
  const dist = join(root, "dist");
  if (newest(dist) > newest(join(root, "src"))) return;
  const fresh = join(root, ".build", `dist-${process.pid}`);
  execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", root, "--outDir", fresh]);
  const old = `${fresh}-old`;
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(fresh, dist);
  rmSync(old, { recursive: true, force: true });
}

/** When the newest file of a folder was written, in epoch ms; 0 if there is none. */
function newest(folder: string): number {
  const files = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
  return Math.max(0, ...files.map((file) => statSync(join(folder, file), { throwIfNoEntry: false })?.mtimeMs ?? 0));
}
