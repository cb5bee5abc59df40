/**
 * The place in the user's code where a wait, an object or a task has begun.
 *
 * To take a stack is cheap, to read it is not. Until it is read it keeps alive the receiver of each method on it, and
 * the variables of each closure. So nothing of theirs would be found unreachable: the debugger would hide every leak.
 *
 * Invariants:
 * - A stack that has been read, or dropped, keeps nothing alive.
 * - There is one Site for each text of a stack, so equal places are the same object.
 */
import { attempt } from "../internal/foreign.ts";
import { platform } from "./platform.ts";

/** A line of the user's code on a stack. */
export interface Frame {
  /** The name of the function; empty at the top of a module, and where the platform does not say. */
  readonly fn: string;
  /** file:line:column. The file is relative to the working directory. */
  readonly at: string;
}

/** A place in the user's code, the innermost frame first. */
export class Site {
  readonly frames: readonly Frame[];

  constructor(frames: readonly Frame[]) {
    this.frames = frames;
  }

  /** file:line:column; empty if it is not known. */
  get at(): string {
    return this.frames[0]?.at ?? "";
  }

  /** The same with the function before it. */
  get text(): string {
    const [frame] = this.frames;
    return frame === undefined ? "" : textOf(frame);
  }
}

export function textOf({ fn, at }: Frame): string {
  return fn === "" ? at : `${fn} (${at})`;
}

/** The place of what has none: its stack was not taken. */
export const NOWHERE: Site = /* @__PURE__ */ new Site([]);

// ---------------------------------------------------------------------------------------------------------------- taking

/** The number of frames that are taken. Up to six of them are headgate's own. */
const TAKEN = 12;

/** A stack that has been taken. */
export class Stack {
  private taken: { readonly stack?: unknown } | null;
  private found: Site = NOWHERE;

  /** Takes the stack. The frames of `above`, and of what it has called, are left out where the platform can. */
  constructor(above: (...args: never[]) => unknown) {
    const limit = errors.stackTraceLimit;
    // Not an assignment, which throws if Error is frozen.
    Reflect.set(errors, "stackTraceLimit", TAKEN);
    if (errors.captureStackTrace === undefined) this.taken = new Error();
    else errors.captureStackTrace((this.taken = {}), above);
    Reflect.set(errors, "stackTraceLimit", limit);
  }

  /** Reads it, the first time that it is asked. */
  get site(): Site {
    if (this.taken !== null) this.found = siteOf(this.taken);
    this.taken = null;
    return this.found;
  }
}

const errors = Error as unknown as {
  stackTraceLimit?: number;
  prepareStackTrace?: unknown;
  captureStackTrace?(target: object, above: unknown): void;
};

// --------------------------------------------------------------------------------------------------------------- reading

const LOCATION = /((?:file:\/\/|https?:\/\/|\/|[A-Za-z]:[\\/])[^\s()]*?):(\d+):(\d+)\)?$/;

/** The number of frames that are kept: the line, and for whom it runs. */
const KEPT = 4;

/** The sites by their text, as long as there are not too many: code that `eval` makes has ever new lines. */
const sites: Map<string, Site> = /* @__PURE__ */ new Map();
const MOST = 10_000;

function siteOf(taken: { readonly stack?: unknown }): Site {
  const text = linesOf(taken).join("\n");
  let site = sites.get(text);
  if (site === undefined) {
    site = new Site(framesOf(text));
    if (sites.size < MOST) sites.set(text, site);
  }
  return site;
}

/** The lines of a stack: a text, or the list that a user's Error.prepareStackTrace has made, or what it is without it. */
function linesOf(taken: { readonly stack?: unknown }): readonly string[] {
  const read = (): readonly string[] => {
    const { stack } = taken;
    if (typeof stack === "string") return stack.split("\n");
    return Array.isArray(stack) ? stack.map((frame) => String(frame)) : [];
  };
  const lines = attempt(read);
  if (lines !== undefined) return lines;
  const before = errors.prepareStackTrace;
  Reflect.set(errors, "prepareStackTrace", undefined);
  try {
    return attempt(read) ?? [];
  } finally {
    Reflect.set(errors, "prepareStackTrace", before);
  }
}

function framesOf(text: string): readonly Frame[] {
  own ??= ownFolders();
  const frames: Frame[] = [];
  for (const raw of text.split("\n")) {
    const line = raw.trim();
    const found = /\b(node|ext):/.test(line) ? null : LOCATION.exec(line);
    if (found === null) continue;
    const file = found[1]!.replace(/^file:\/\//, "").replace(/\?.*$/, "");
    const fn =
      /^at (?:async )?(?:new )?([^\s(]+)(?: \[as [^\]]*\])? \(/.exec(line)?.[1] ?? /^([^@/\s]+)@/.exec(line)?.[1] ?? "";
    if (own.some((folder) => file.startsWith(folder))) continue;
    frames.push({ fn, at: `${relative(file)}:${found[2]}:${found[3]}` });
  }
  return frames.slice(0, KEPT);
}

let own: readonly string[] | undefined;

/**
 * The folders of headgate's own files: the built ones, and the sources, which source maps name. None if all code is in
 * one file. A stack says where this file is: `import.meta` is a syntax error where the code was compiled to CommonJS.
 */
function ownFolders(): readonly string[] {
  const mine = /((?:file:\/\/|https?:\/\/|\/|[A-Za-z]:[\\/])[^\s()]*\/)([^\s()/]+\/)debug\/stack\.[jt]s\b/;
  const [, above, folder] = mine.exec(new Error().stack ?? "") ?? [];
  if (above === undefined) return [];
  return [folder!, "dist/", "src/"].map((name) => `${above}${name}`.replace(/^file:\/\//, ""));
}

let here: string | undefined;

function relative(file: string): string {
  here ??= attempt(() => platform.process?.cwd?.() ?? platform.location?.origin) ?? "";
  return here !== "" && file.startsWith(`${here}/`) ? file.slice(here.length + 1) : file;
}
