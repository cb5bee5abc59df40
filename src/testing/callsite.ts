/**
 * Where in the user's code something happens: the first line of a stack that is not headgate's own.
 */
import { tried } from "./plain.ts";
import { platform } from "./platform.ts";

/**
 * The folders of headgate's own files, built and as written (which is what source maps say); none where all code is in one file. This file
 * is found by a stack, for `import.meta` is a syntax error where a test runner makes CommonJS of it.
 */
const OWN: readonly string[] = /* @__PURE__ */ (() => {
  const mine = /((?:file:\/\/|https?:\/\/|\/|[A-Za-z]:[\\/])[^\s()]*\/)([^\s()/]+\/)testing\/callsite\.[jt]s\b/;
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
  const before = allow(FRAMES);
  const error = new Error();
  allow(before);
  return new Place(error);
}

// ------------------------------------------------------------------------------------------------------------ how many frames

/** As many as lie between the user's code and here, within the worker too. */
const FRAMES = 40;

const errors = Error as { stackTraceLimit?: number; prepareStackTrace?: unknown };

/**
 * Sets how many frames a stack has, undefined: it says nothing; returns how many it had. Where that cannot be set, because Error is
 * frozen or knows no such limit, nothing happens.
 */
function allow(frames: number | undefined): number | undefined {
  const before = errors.stackTraceLimit;
  if (frames === before) return before;
  // Unlike an assignment, and `delete`, neither throws, unless somebody has put a setter there that does.
  if (frames === undefined) Reflect.deleteProperty(errors, "stackTraceLimit");
  else tried(() => Reflect.set(errors, "stackTraceLimit", frames), false);
  return before;
}

let hidden: { readonly limit: number | undefined } | null = null;

/** Errors get no stacks until {@link withStacks}: half the time of a schedule goes into stacks that nobody reads. */
export function withoutStacks(): void {
  if (errors.stackTraceLimit !== undefined) hidden ??= { limit: allow(0) };
}

export function withStacks(): void {
  if (hidden !== null) allow(hidden.limit);
  hidden = null;
}

// --------------------------------------------------------------------------------------------------------------- its reading

function search(error: Error | null): readonly [at: string, within: string] {
  let within = "";
  for (const line of error === null ? [] : linesOf(error)) {
    const found = /\b(node|ext):/.test(line) ? null : LOCATION.exec(line.trim());
    if (found === null) continue;
    const file = found[1]!.replace(/^file:\/\//, "").replace(/\?.*$/, "");
    const own = OWN.find((folder) => file.startsWith(folder));
    if (own === undefined) return [`${relative(file)}:${found[2]}:${found[3]}`, within];
    if (file.startsWith(`${own}worker/`)) within = "worker";
  }
  return ["", within];
}

/** The lines of a stack, of which somebody's Error.prepareStackTrace may make anything. If it throws, it is not asked. */
function linesOf(error: Error): readonly string[] {
  try {
    return textsOf(error.stack);
  } catch {
    const before = errors.prepareStackTrace;
    if (!Reflect.set(errors, "prepareStackTrace", undefined)) return [];
    try {
      return textsOf(error.stack);
    } catch {
      return [];
    } finally {
      Reflect.set(errors, "prepareStackTrace", before);
    }
  }
}

/** A text, or a list of frames, as many like to have it; anything else says nothing. */
function textsOf(stack: unknown): readonly string[] {
  if (typeof stack === "string") return stack.split("\n");
  return Array.isArray(stack) ? stack.map((frame) => String(frame)) : [];
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
