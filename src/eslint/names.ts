/**
 * The names of headgate that the rules know: what makes a context, what waits, and where its ctx goes.
 *
 * A name is a path such as `context.withCancel`, `sync.Mutex` or `Chan`: a package and what it exports. The core of headgate has no package
 * name. A subpath leads to the same: `withCancel` of `headgate/context` is `context.withCancel`.
 */

/** The kind of a value. A RecvChan or a SendChan is a Chan. */
export type Kind =
  | "Chan"
  | "Cond"
  | "Context"
  | "Flights"
  | "Group"
  | "Mutex"
  | "RWMutex"
  | "Semaphore"
  | "Ticker"
  | "WaitGroup";

/** The entry points of headgate, without "headgate/", and the package that their names belong to. */
const PACKAGES: ReadonlyMap<string, string> = /* @__PURE__ */ new Map([
  ["", ""],
  ["chan", ""],
  ["context", "context."],
  ["errgroup", "errgroup."],
  ["retry", "retry."],
  ["semaphore", "semaphore."],
  ["signal", "signal."],
  ["singleflight", "singleflight."],
  ["sync", "sync."],
  ["time", "time."],
  ["worker", "worker."],
]);

/** From npm, from JSR, and as Deno names both. */
const SPECIFIER =
  /^(?:npm:\/?)?headgate(?:@[^/]+)?(?:\/(.+))?$|^(?:jsr:\/?)?@headgate\/headgate(?:@[^/]+)?(?:\/(.+))?$/;

/** What comes before the names that are imported from `specifier`; undefined if it is no entry point that the rules know. */
export function prefixOf(specifier: string): string | undefined {
  const found = SPECIFIER.exec(specifier);
  return found === null ? undefined : PACKAGES.get(found[1] ?? found[2] ?? "");
}

/** Classes and types, and the kind of a value of theirs. */
const KINDS: ReadonlyMap<string, Kind> = /* @__PURE__ */ new Map<string, Kind>([
  ["Chan", "Chan"],
  ["RecvChan", "Chan"],
  ["SendChan", "Chan"],
  ["Context", "Context"],
  ["context.Context", "Context"],
  ["errgroup.Group", "Group"],
  ["semaphore.Weighted", "Semaphore"],
  ["singleflight.Group", "Flights"],
  ["sync.Cond", "Cond"],
  ["sync.Mutex", "Mutex"],
  ["sync.RWMutex", "RWMutex"],
  ["sync.WaitGroup", "WaitGroup"],
  ["time.Ticker", "Ticker"],
  ["time.Timer", "Ticker"],
]);

/** The kind of what the class or type `path` makes. */
export function kindOfClass(path: string | undefined): Kind | undefined {
  return path === undefined ? undefined : KINDS.get(path);
}

/** The kind of a value whose type is declared under this name in a file of headgate. */
export function kindOfType(name: string, file: string): Kind | undefined {
  if (name === "Group") return /singleflight/.test(file) ? "Flights" : "Group";
  for (const [path, kind] of KINDS) if (path === name || path.endsWith(`.${name}`)) return kind;
  return undefined;
}

/** What a function returns: a kind, or those of the elements of a tuple. */
const RESULTS: ReadonlyMap<string, Kind | readonly (Kind | undefined)[]> = /* @__PURE__ */ new Map<
  string,
  Kind | readonly (Kind | undefined)[]
>([
  ["context.background", "Context"],
  ["context.todo", "Context"],
  ["context.unref", "Context"],
  ["context.withValue", "Context"],
  ["context.withoutCancel", "Context"],
  ["errgroup.withContext", ["Group", "Context"]],
  ["time.after", "Chan"],
  ["time.tick", "Chan"],
  ["Context.done", "Chan"],
  ["Flights.doChan", "Chan"],
]);

/** The kind of what `path` returns; with an index, that of an element of the tuple. */
export function kindOfResult(path: string | undefined, index?: number): Kind | undefined {
  if (path === undefined) return undefined;
  const cancelAt = cancelIndex(path);
  if (cancelAt !== undefined) return index !== undefined && index >= 0 && index < cancelAt ? "Context" : undefined;
  const result = RESULTS.get(path);
  if (typeof result !== "object") return index === undefined ? result : undefined;
  return index === undefined ? undefined : result[index];
}

/** What makes a context that never ends by itself. */
export const isEndless = (path: string | undefined): boolean =>
  path === "context.background" || path === "context.todo" || path === "context.withoutCancel";

/** At which index of its result `path` has a function that must be called; undefined: at none. */
export function cancelIndex(path: string | undefined): number | undefined {
  if (path === "signal.shutdown") return 2;
  return path !== undefined && MAKERS.test(path) ? 1 : undefined;
}

const MAKERS =
  /^context\.(?:from|merge|withCancel|withCancelCause|withDeadline|withDeadlineCause|withSignal|withTimeout|withTimeoutCause)$|^signal\.notifyContext$/;

/** What `path` does with a function that it is given: at which index it is, and the kinds of the parameters. */
const CALLBACKS: ReadonlyMap<string, readonly [index: number, ...kinds: readonly (Kind | undefined)[]]> =
  /* @__PURE__ */ new Map<string, readonly [number, ...(Kind | undefined)[]]>([
    ["Group.go", [0, "Context"]],
    ["Group.tryGo", [0, "Context"]],
    ["errgroup.run", [1, "Group", "Context"]],
    ["retry.run", [1, "Context"]],
    ["worker.worker", [2, "Context"]],
  ]);

/** The kind of a parameter of the function that `path` is given as its argument number `argument`. */
export function kindOfParameter(path: string | undefined, argument: number, parameter: number): Kind | undefined {
  const [index, ...kinds] = CALLBACKS.get(path ?? "") ?? [-1];
  return index === argument ? kinds[parameter] : undefined;
}

/** A wait. */
export interface Wait {
  /** The index of its ctx among the arguments; undefined: it takes none, or only code with a ctx can call it at all. */
  readonly ctx: number | undefined;
  /** Its effect is lost with a result that no code looks at: a value was taken, or a lock is held. */
  readonly takes: boolean;
}

const waits = (ctx: number | undefined, takes: boolean): Wait => ({ ctx, takes });

/** What waits. A method is `KIND.name`. */
const WAITS: ReadonlyMap<string, Wait> = /* @__PURE__ */ new Map([
  ["Chan.recv", /* @__PURE__ */ waits(0, true)],
  ["Chan.send", /* @__PURE__ */ waits(1, true)],
  ["Chan.values", /* @__PURE__ */ waits(0, false)],
  ["Cond.wait", /* @__PURE__ */ waits(0, true)],
  ["Flights.do", /* @__PURE__ */ waits(2, false)],
  // They wait until no task runs any more: an end of ctx must not end that.
  ["Group.wait", /* @__PURE__ */ waits(undefined, false)],
  ["WaitGroup.wait", /* @__PURE__ */ waits(undefined, false)],
  ["Mutex.lock", /* @__PURE__ */ waits(0, true)],
  ["RWMutex.lock", /* @__PURE__ */ waits(0, true)],
  ["RWMutex.rLock", /* @__PURE__ */ waits(0, true)],
  ["Semaphore.acquire", /* @__PURE__ */ waits(1, true)],
  ["context.wait", /* @__PURE__ */ waits(1, false)],
  ["errgroup.run", /* @__PURE__ */ waits(undefined, false)],
  ["retry.run", /* @__PURE__ */ waits(undefined, false)],
  ["select", /* @__PURE__ */ waits(1, true)],
  ["sendAll", /* @__PURE__ */ waits(2, true)],
  ["time.sleep", /* @__PURE__ */ waits(1, false)],
  ["worker.worker", /* @__PURE__ */ waits(undefined, false)],
]);

/** Whether what `path` takes as its argument number `argument` is a Context, and can be no other value. */
export function takesContext(path: string | undefined, argument: number): boolean {
  if (path === undefined) return false;
  const at = waitOf(path)?.ctx;
  return at === undefined ? [TAKE_FIRST, TAKE_SECOND][argument]?.test(path) === true : at === argument;
}

/** What takes a Context, and waits not or as long as it must. */
const TAKE_FIRST =
  /^(?:context\.(?:afterFunc|cause|merge|unref|with[A-Z]\w+|withoutCancel)|errgroup\.(?:run|withContext)|retry\.run|signal\.(?:notifyContext|shutdown)|WaitGroup\.wait|worker\.worker)$/;
const TAKE_SECOND = /^context\.(?:errorFor|merge)$/;

/** How `path` waits; undefined if it does not. */
export function waitOf(path: string | undefined): Wait | undefined {
  return path === undefined ? undefined : WAITS.get(path);
}

/** The methods that the rules know: a call of any other is not looked into. */
export const METHODS: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "acquire",
  "do",
  "doChan",
  "done",
  "err",
  "go",
  "lock",
  "rLock",
  "recv",
  "send",
  "tryGo",
  "values",
  "wait",
]);

/** The call that gives a lock back; undefined if `path` takes no lock. */
export function unlockOf(path: string): string | undefined {
  if (path === "Mutex.lock" || path === "RWMutex.lock") return "unlock";
  return path === "RWMutex.rLock" ? "rUnlock" : undefined;
}

/** The members of a Context that tell it from a ctx of another library. */
export const CONTEXT_SIGNS: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "deadline",
  "done",
  "err",
  "signal",
  "value",
]);

/** What a Context has. A parameter `ctx` of which the code wants anything else is of another library. */
export const CONTEXT_MEMBERS: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "deadline",
  "done",
  "err",
  "signal",
  "toJSON",
  "toString",
  "value",
]);
