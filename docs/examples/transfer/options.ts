/**
 * The options of these programs: whole numbers and switches by name, the URLs of banks, and times by the environment.
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
    misused((error as Error).message, usage);
  }
}

/** The URLs of two banks, or of fewer. Ends the process if one is none, or there are more. */
export function banksOf(urls: readonly string[], usage: string): string[] {
  for (const url of urls)
    if (!/^https?:\/\//.test(url) || !URL.canParse(url)) misused(`"${url}" is no URL of a bank`, usage);
  if (urls.length > 2) misused(`there are two banks, not ${urls.length}`, usage);
  return [...urls];
}

/** A time in ms that the environment names. Ends the process if it is none. */
export function msOf(name: string, fallback: number): number {
  const text = process.env[name] ?? String(fallback);
  if (/^\d{1,9}$/.test(text)) return Number(text);
  return misused(`${name} is a whole number of ms, not "${text}"`, `${name}=${fallback}`);
}

/** It was called in a way that makes no sense: says so, and how it is called, and ends the process. */
export function misused(reason: string, usage: string): never {
  process.stderr.write(`${reason}\nusage: ${usage}\n`);
  process.exit(2);
}

type Widened<T> = T extends number ? number : boolean;

function whole(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Error(`--${name} takes a whole number, not "${text}"`);
}
