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
  readonly isFile: FILE.test(lines.slice(0, begin - 1).filter((line) => line.trim() !== "").at(-1) ?? ""),
    });
  }
  return found;
}
