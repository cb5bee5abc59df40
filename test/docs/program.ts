/**
 * A program of a page in a process of its own.
 */
import { spawn } from "node:child_process";

export interface Ended {
  /** The lines that it printed. */
  readonly printed: readonly string[];
  readonly stderr: string;
  /** Its exit code; null if a signal killed it. */
  readonly code: number | null;
}

/** Runs Node in a folder, and kills it after five minutes. */
export function node(cwd: string, ...args: string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, stdio: ["ignore", "pipe", "pipe"], timeout: 300_000 });
    const text = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const) {
      child[stream].setEncoding("utf8").on("data", (data: string) => (text[stream] += data));
    }
    child.on("error", reject).on("close", (code) => {
      resolve({ printed: text.stdout.split("\n").slice(0, -1), stderr: text.stderr, code });
    });
  });
}
