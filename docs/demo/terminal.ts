/**
 * What may be written to a stream: colour, a line that is overwritten, lines of a certain width.
 *
 * A stream that is no terminal gets plain lines. NO_COLOR takes the colour away from a terminal, FORCE_COLOR gives it to any stream.
 */
import process from "node:process";

/** What a text is to look like. */
export type Style = "bold" | "dim" | "good" | "warn" | "bad";

export interface Terminal {
  /** Whether a line can be overwritten. */
  readonly isLive: boolean;
  /** Characters in a line. Infinity if that does not matter. */
  readonly columns: number;
  paint(style: Style, text: string): string;
}

/** The part of a stream that matters here. */
export interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

type Env = Readonly<Record<string, string | undefined>>;

/** They can be read on black and on white: yellow cannot. */
const CODES: Readonly<Record<Style, string>> = { bold: "1", dim: "2", good: "32", warn: "35", bad: "31" };

/** Asked each time, as a window changes its width. */
export function terminalOf(stream: Stream, env: Env = process.env): Terminal {
  const isLive = stream.isTTY === true && env["TERM"] !== "dumb";
  const hasColour = wantsColour(env) ?? isLive;
  return {
    isLive,
    // Some terminals say 0 and mean that they do not know.
    columns: isLive ? stream.columns || 80 : Infinity,
    paint: (style, text) => (hasColour && text !== "" ? `\x1b[${CODES[style]}m${text}\x1b[0m` : text),
  };
}

/** Plain text in lines of any length. */
export const PLAIN: Terminal = { isLive: false, columns: Infinity, paint: (_, text) => text };

/** As Node reads them: FORCE_COLOR counts for more. Undefined if neither says anything. */
function wantsColour({ FORCE_COLOR: force, NO_COLOR: no }: Env): boolean | undefined {
  if (force !== undefined) return force !== "0" && force !== "false";
  return no === undefined || no === "" ? undefined : false;
}

/** Breaks a line between words; what follows is indented. A word that is too long stays whole. */
export function folded(line: string, { columns }: Terminal): string {
  if (line.length <= columns) return line;
  const lines: string[] = [];
  for (const word of line.trimEnd().split(/(?<=\S) /)) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= columns) lines[lines.length - 1] = longer;
    else lines.push(lines.length === 0 ? word : `  ${word}`);
  }
  return lines.join("\n");
}

/** Ends the process quietly when its output is closed, as in `| head`. */
export function endWhenUnread(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      process.exit();
    });
  }
}
