/**
 * Where in the user's code something happens: the first line of a stack that is not headgate's own.
 */
import { platform } from "./turns.ts";

/**
 * The folders of headgate's own files, built and as written (which is what source maps say); none where all code is in one file. This file
 * is found by a stack, for `import.meta` is a syntax error where a test runner makes CommonJS of it.
 */
const OWN: readonly string[] = /* @__PURE__ */ (() => {
  const mine = /((?:file:\/\/|https?:\/\/|\/|[A-Za-z]:[\\/])[^\s()]*\/)([^\s()/]+\/)testing\/place\.[jt]s\b/;
  const [, above, folder] = mine.exec(new Error().stack ?? "") ?? [];
  if (above === undefined) return [];
  return [folder!, "dist/", "src/"].map((name) => `${above}${name}`.replace(/^file:\/\//, ""));
})();

const LOCATION = /((?:file:\/\/|https?:\/\/|\/|[A-Za-z]:[\\/])[^\s()]*?):(\d+):(\d+)\)?$/;

/** A place in the user's code. It is looked for when somebody asks: to read a stack costs fifty times as much as to take it. */
export class Place {
  private readonly error: Error | null;
  private found: readonly [at: string, within: string] | undefined;

  constructor(error: Error | null) {
    this.error = error;
  }

  /** file:line:column, the file relative to the working directory; empty where the platform does not say. */
  get at(): string {
    return (this.found ??= search(this.error))[0];
  }

  /** The folder of headgate's that has made the call for the user: "worker", or empty. */
  get within(): string {
    return (this.found ??= search(this.error))[1];
  }
}

export const NOWHERE: Place = new Place(null);

/** Where the user's code is calling headgate now. */
export function place(): Place {
  const errors = Error as { stackTraceLimit?: number };
  const limit = errors.stackTraceLimit;
  errors.stackTraceLimit = 40;
  const error = new Error();
  if (limit !== undefined) errors.stackTraceLimit = limit;
  return new Place(error);
}

function search(error: Error | null): readonly [at: string, within: string] {
  let within = "";
  for (const line of error?.stack?.split("\n") ?? []) {
    const found = /\b(node|ext):/.test(line) ? null : LOCATION.exec(line.trim());
    if (found === null) continue;
    const file = found[1]!.replace(/^file:\/\//, "").replace(/\?.*$/, "");
    const own = OWN.find((folder) => file.startsWith(folder));
    if (own === undefined) return [`${relative(file)}:${found[2]}:${found[3]}`, within];
    if (file.startsWith(`${own}worker/`)) within = "worker";
  }
  return ["", within];
}

let here: string | undefined;

function relative(file: string): string {
  here ??= workingDirectory();
  return here !== "" && file.startsWith(here) ? file.slice(here.length) : file;
}

function workingDirectory(): string {
  try {
    const cwd = platform.process?.cwd?.();
    return cwd === undefined
      ? `${(globalThis as { location?: { origin?: string } }).location?.origin ?? ""}/`
      : `${cwd}/`;
  } catch {
    return "";
  }
}
