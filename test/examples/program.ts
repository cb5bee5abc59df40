/**
 * An example as a process of its own, so that it can be killed. It is bundled with the sources of headgate: nothing needs to be built.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** A folder for a test file, and what removes it. */
export function folder(): readonly [path: string, remove: () => void] {
  const path = mkdtempSync(join(tmpdir(), "headgate-"));
  return [path, () => rmSync(path, { recursive: true, force: true })];
}

/** Makes one file of a program in docs/examples, with all that it imports. Returns its path. */
export async function bundled(program: string, into: string): Promise<string> {
  const outfile = join(into, program.replace(/\.ts$/, ".mjs"));
  await build({
    entryPoints: [join(root, "docs/examples", program)],
    tsconfig: join(root, "test/tsconfig.json"),
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    outfile,
  });
  return outfile;
}

export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly lines: readonly string[];
  readonly errors: string;
}

/** A program that runs. It is killed if it has not ended after 55 s. */
export class Program {
  readonly ended: Promise<End>;
  private readonly child: ChildProcess;
  private out = "";

  constructor(file: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const options = { timeout: 55_000, killSignal: "SIGKILL", env: { ...process.env, ...env } } as const;
    this.child = spawn(process.execPath, [file, ...args], options);
    let errors = "";
    this.child.stdout!.setEncoding("utf8").on("data", (text: string) => (this.out += text));
    this.child.stderr!.setEncoding("utf8").on("data", (text: string) => (errors += text));
    this.ended = new Promise((resolve) => {
      this.child.on("close", (code, signal) => resolve({ code, signal, lines: this.lines, errors }));
    });
  }

  get lines(): string[] {
    return this.out.split("\n").slice(0, -1);
  }

  /** The first line it prints; rejects if it ends without one. */
  async firstLine(): Promise<string> {
    const printed = new Promise<void>((resolve) => {
      const look = (): void => void (this.lines.length > 0 && resolve());
      this.child.stdout!.on("data", look);
      look();
    });
    await Promise.race([printed, this.ended]);
    const [line] = this.lines;
    if (line === undefined) throw new Error(`the program ended: ${JSON.stringify(await this.ended)}`);
    return line;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}
