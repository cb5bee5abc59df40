/**
 * Call sites: the line of the user's code that calls headgate. It is the first line of a stack that is not headgate's
 * own.
 */
import { attempt } from "../internal/foreign.ts";
import { platform } from "./platform.ts";

/**
 * The folders of headgate's own files: the built ones, and the sources, which source maps name. There are none if all
 * code is in one file. A stack tells where this file is: `import.meta` is a syntax error once a test runner has
 * compiled the kit to CommonJS.
 */
const OWN: readonly string[] = /* @__PURE__ */ (() => {
  const mine = /((?:file:\/\/|https?:\/\/|\/|[A-Za-z]:[\\/])[^\s()]*\/)([^\s()/]+\/)testing\/callsite\.[jt]s\b/;
  const [, above, folder] = mine.exec(new Error().stack ?? "") ?? [];
  if (above === undefined) return [];
  return [folder!, "dist/", "src/"].map((name) => `${above}${name}`.replace(/^file:\/\//, ""));
})();

const LOCATION = /((?:file:\/\/|https?:\/\/|\/|[A-Za-z]:[\\/])[^\s()]*?):(\d+):(\d+)\)?$/;

/** A line of the user's code. The stack is read on first use: reading one costs fifty times as much as taking it. */
export class CallSite {
  private readonly error: Error | null;
  private found: readonly [at: string, within: string] | undefined;

  constructor(error: Error | null) {
    this.error = error;
  }

  /** file:line:column, the file relative to the working directory; empty if the platform does not say. */
  get at(): string {
    return (this.found ??= search(this.error))[0];
  }

  /** The part of headgate that made the call on the user's behalf: "worker", or empty. */
  get within(): string {
    return (this.found ??= search(this.error))[1];
  }
}

/** The call site of what has none, or whose call site is not recorded. */
export const NOWHERE: CallSite = new CallSite(null);

/** The call site of the call of headgate that is under way. */
export function callsite(): CallSite {
  const before = setLimit(FRAMES);
  const error = new Error();
  setLimit(before);
  return new CallSite(error);
}

// ----------------------------------------------------------------------------------------------- the length of a stack

/** Enough frames to reach the user's code from here, through the worker as well. */
const FRAMES = 40;

const errors = Error as { stackTraceLimit?: number; prepareStackTrace?: unknown };

/**
 * Sets `Error.stackTraceLimit` and returns what it was; undefined stands for a property that is not there. Nothing
 * happens if it cannot be set, because Error is frozen or knows no such limit.
 */
function setLimit(frames: number | undefined): number | undefined {
  const before = errors.stackTraceLimit;
  if (frames === before) return before;
  // Unlike an assignment and `delete`, these throw only if a setter does.
  if (frames === undefined) Reflect.deleteProperty(errors, "stackTraceLimit");
  else attempt(() => Reflect.set(errors, "stackTraceLimit", frames));
  return before;
}

let hidden: { readonly limit: number | undefined } | null = null;

/** Gives errors no stacks until {@link withStacks}: stacks that are never read take half the time of a schedule. */
export function withoutStacks(): void {
  if (errors.stackTraceLimit !== undefined) hidden ??= { limit: setLimit(0) };
}

/** Ends {@link withoutStacks}. */
export function withStacks(): void {
  if (hidden !== null) setLimit(hidden.limit);
  hidden = null;
}

// ----------------------------------------------------------------------------------------------------- reading a stack

/** The first frame outside of headgate, and the part of headgate above it. */
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

/**
 * The lines of a stack. A user's Error.prepareStackTrace may make anything of it; if that throws, we read without it.
 */
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

/** A stack is a text, or a list of frames, which many a prepareStackTrace returns; anything else has no lines. */
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
