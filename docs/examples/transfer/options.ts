/**
 * What these programs can be told on the command line: whole numbers and switches, by name.
 */
import process from "node:process";
import { parseArgs } from "node:util";

/** The options with what the command line says of them. Ends the process, and names those there are, if that makes no sense. */
export function optionsOf<O extends Record<string, number | boolean>>(
  options: O,
): { -readonly [K in keyof O]: Widened<O[K]> } {
  const names = Object.keys(options);
  const usage = names.map((name) => (typeof options[name] === "number" ? `[--${name} N]` : `[--${name}]`)).join(" ");
  try {
    const kinds = names.map(
      (name) => [name, { type: typeof options[name] === "number" ? "string" : "boolean" }] as const,
    );
    const { values } = parseArgs({ options: Object.fromEntries(kinds) });
    const given = Object.entries(values).map(([name, value]) => [
      name,
      typeof value === "string" ? whole(name, value) : value,
    ]);
    return { ...options, ...Object.fromEntries(given) };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\nusage: ${usage}\n`);
    process.exit(2);
  }
}

type Widened<T> = T extends number ? number : boolean;

function whole(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Error(`--${name} takes a whole number, not "${text}"`);
}
