/**
 * The programs of a page or of a source file's docstrings, by the kind that stands at their fences.
 *
 * | kind | what becomes of it |
 * | --- | --- |
 * | `ts` | runs; its `// => text` comments, in order, are what it prints |
 * | `ts more` | goes on where the fence before it ended |
 * | `ts no-run` | is only type-checked |
 * | `js` | as `ts`, in plain JavaScript, in a process of its own |
 * | `ts fails`, `js fails` | must fail, in a process of its own; `// !> text` is in what it writes to stderr, `// exit N` its exit code |
 * | `ts shown`, `js shown` | the text of a file, between the comments that say which; a test runs it elsewhere |
 * | `js NAME.mjs …`, `js keys, …` | a program of the worker's pages, which test/brokers runs |
 * | `go`, `sh`, `text`, others, and none | only shown |
 */
import { read } from "./pages.ts";

export interface Fence {
  readonly file: string;
  readonly line: number;
  /** What stands behind the three backticks. */
  readonly kind: string;
  readonly code: string;
  /** The texts of its `// =>` comments. */
  readonly prints: readonly string[];
  /** The texts of its `// !>` comments. */
  readonly complains: readonly string[];
  /** The number of its `// exit` comment. */
  readonly exit: number | undefined;
  /** Whether the line before it says that a file is put here. */
  readonly isFile: boolean;
}

export const RUN = ["ts", "ts more", "js", "ts fails", "js fails"];
const OTHERS = ["ts no-run", "ts shown", "js shown"];
const SHOWN = ["", "go", "sh", "text", "json", "mermaid", "diff", "html", "sql", "toml", "yaml"];

/** A program in several files, which is run with real brokers. */
export const isOfBrokers = ({ kind }: Fence): boolean => /^js (\w+\.mjs\b|keys, )/.test(kind);

export const isKnown = (fence: Fence): boolean =>
  [...RUN, ...OTHERS, ...SHOWN].includes(fence.kind) || isOfBrokers(fence);

const FILE = /^<!-- file: \S+ -->$/;

export function fencesOf(file: string, text: string = read(file)): Fence[] {
  const lines = text.split("\n");
  const isSource = file.endsWith(".ts");
  const found: Fence[] = [];
  for (let i = 0; i < lines.length; i++) {
    const fence = /^\s*(?:\* )?```(.*)$/.exec(lines[i]!);
    if (fence === null) continue;
    const begin = i + 1;
    const body: string[] = [];
    while (++i < lines.length && !/^\s*(?:\* )?```$/.test(lines[i]!)) {
      body.push(isSource ? lines[i]!.replace(/^\s*\* ?/, "") : lines[i]!);
    }
    const kind = fence[1]!.trim();
    const before = kind === "ts more" ? found.filter((one) => one.kind.startsWith("ts")).at(-1) : undefined;
    const code = [...(before?.code.split("\n") ?? []), ...body];
    const texts = (pattern: RegExp): string[] => code.flatMap((line) => pattern.exec(line)?.slice(1) ?? []);
    const exit = texts(/\/\/ exit (\d+)$/).at(-1);
    const above = lines.slice(0, begin - 1).filter((line) => line.trim() !== "");
    found.push({
      file,
      line: begin,
      kind,
      code: code.join("\n"),
      prints: texts(/\/\/ => (.*)$/),
      complains: texts(/\/\/ !> (.*)$/),
      exit: exit === undefined ? undefined : Number(exit),
      isFile: FILE.test(above.at(-1) ?? ""),
    });
  }
  return found;
}
