/**
 * A dump: what waits now, which contexts there are, which tasks run. Go's is written at SIGQUIT.
 */
import { onlyKnown, whole } from "../internal/args.ts";
import { searchHeap } from "./heap.ts";
import type { ContextNode } from "./contexts.ts";
import { generic, type Leak, leakText } from "./leak.ts";
import type { LoopDelay } from "./platform.ts";
import { textOf } from "./stack.ts";
import type { Task } from "./task.ts";
import type { Wait } from "./wait.ts";
import { current } from "./watch.ts";

/** The options of {@link dump}. */
export interface DumpOptions {
  /**
   * The largest number of waits that are listed, and of tasks: the oldest ones. All of them are counted.
   *
   * @default 10_000
   */
  readonly most?: number;
}

/** Numbers of what a {@link Dump} is about. */
export interface Counts {
  /** Operations that wait. */
  readonly waits: number;
  /** Contexts that have not ended. Those below a context that is not listed are not counted. */
  readonly contexts: number;
  /** Tasks that run; 0 without `watch`. */
  readonly tasks: number;
  /** Leaks since `watch`. */
  readonly leaks: number;
}

/** What waits in the process, and for what. `String(dump)` is its text; it is plain JSON. */
export interface Dump {
  /** True if it comes from `watch`; false if from a search of the heap, which knows no lines, ages and tasks. */
  readonly watched: boolean;
  /** The time since `watch`, in ms; absent without it. What began to wait before is not known. */
  readonly watchedFor?: number;
  /** The numbers of what there is, also of what is not listed because there is too much. */
  readonly counts: Counts;
  /** The operations that wait, the oldest first. */
  readonly waits: readonly Wait[];
  /** The contexts that have not ended, as trees. */
  readonly contexts: readonly ContextNode[];
  /** The tasks that run, the oldest first. */
  readonly tasks: readonly Task[];
  /** The leaks that were found so far, the oldest first. Equal ones are one; those of the last 1 000 places are kept. */
  readonly leaks: readonly Leak[];
  /** The delay of the event loop since `watch`, in ms; absent where it cannot be measured. */
  readonly loop?: LoopDelay;
  /** The text, in the form of Go's: equal waits together, the most numerous first. */
  toString(): string;
}

/**
 * Returns what waits now, which contexts have not ended, and which tasks run. Only what headgate knows is in it: a bare
 * promise is not.
 *
 * Without {@link watch} it searches the heap, on Node: then it says what waits and on what, but not where and since
 * when. The search collects the garbage first, so it does not find what nothing can wake any more. It stops the process
 * for about 0.1 s, and 1 s more for each million objects.
 *
 * It names files, lines and functions of the program, so it is for its operators, not for its users.
 *
 * **Errors**: throws a TypeError or a RangeError, naming the option; an Error without `watch` where the heap cannot be
 * searched.
 *
 * @see Go's [goroutine profile](https://pkg.go.dev/runtime/pprof#Profile)
 * @example
 * ```ts
 * import { Chan, go } from "headgate";
 * import * as debug from "headgate/debug";
 *
 * using _ = debug.watch();
 * const jobs = debug.name(new Chan<string>(), "jobs");
 * for (let i = 0; i < 3; i++) go(() => jobs.recv());
 * await Promise.resolve();
 * console.log(String(debug.dump()).split("\n")[2]?.slice(0, 13)); // => 3 × recv jobs
 * ```
 */
export function dump(options: DumpOptions = {}): Dump {
  const { most = 10_000 } = onlyKnown("dump", options, { most: true });
  const limit = whole("dump: most", most, 0);
  const watch = current();
  if (watch !== undefined) {
    const { watching, loop } = watch;
    const [waits, tasks, contexts] = [watching.waits(limit), watching.tasks(limit), watching.contexts()];
    const leaks = watching.leaks();
    const parts: Parts = {
      watched: true,
      watchedFor: watching.watchedFor,
      counts: { waits: waits.all, contexts: countOf(contexts), tasks: tasks.all, leaks: watching.leaksFound },
      waits: waits.listed,
      contexts,
      tasks: tasks.listed,
      leaks,
      ...(loop === null ? {} : { loop: loop.read() }),
    };
    return dumpOf(parts, watching.perSecond);
  }
  const found = searchHeap(limit);
  if (found !== undefined) {
    const { waits, contexts } = found;
    const counts = { waits: waits.all, contexts: countOf(contexts), tasks: 0, leaks: 0 };
    return dumpOf({ watched: false, counts, waits: waits.listed, contexts, tasks: [], leaks: [] }, 0);
  }
  throw new Error("dump: nothing is watched, and this platform cannot search its heap; call watch() when you start");
}

type Parts = Omit<Dump, "toString">;

/** Its text is no property of it, so it is plain JSON. `perSecond` is the budget of stacks. */
function dumpOf(parts: Parts, perSecond: number): Dump {
  const value = (): string => textOfDump(parts, perSecond);
  return Object.defineProperty({ ...parts }, "toString", { value, enumerable: false });
}

// ---------------------------------------------------------------------------------------------------------------- the text

function textOfDump(parts: Parts, perSecond: number): string {
  const { counts, waits, contexts, tasks, leaks } = parts;
  const lines = [headline(parts)];
  if (!parts.watched && waits.length === 0) lines.push(GONE);
  if (waits.some(({ why }) => why.startsWith("no stack"))) {
    const reason = perSecond === 0 ? "watch({ stacks: 0 })" : `more than ${perSecond} a second`;
    lines.push(`no stack was taken of some: ${reason}; watch({ stacks: Infinity }) takes all`);
  }
  for (const group of groupsOf(waits)) lines.push("", ...waitLines(group, parts.watched));
  if (counts.waits > waits.length) lines.push("", `and ${counted(counts.waits - waits.length, "wait")} more`);
  if (tasks.length > 0) lines.push("", "tasks", ...taskLines(tasks));
  if (counts.tasks > tasks.length && tasks.length > 0)
    lines.push(`    and ${counted(counts.tasks - tasks.length, "task")} more`);
  if (contexts.length > 0) lines.push("", "contexts", ...contexts.flatMap((node) => contextLines(node, "    ")));
  if (leaks.length > 0) {
    lines.push("", "leaks");
    for (const leak of leaks) lines.push(`    ${leakText(leak)}`, `        at ${placeText(leak.stack[0], leak.at)}`);
  }
  return lines.join("\n");
}

/** What is said where a search of the heap has found nothing. */
const GONE = "What nothing can wake cannot be found any more: call debug.watch() when the program starts.";

function headline({ watchedFor, counts, loop }: Parts): string {
  const facts = [counted(counts.waits, "wait"), counted(counts.contexts, "context")];
  if (watchedFor !== undefined) facts.push(counted(counts.tasks, "task"), counted(counts.leaks, "leak"));
  if (loop !== undefined) facts.push(`event loop delay ${loop.p99}ms (p99), ${loop.max}ms (max)`);
  const advice =
    watchedFor === undefined
      ? "nothing is watched, so there are no lines and ages: call debug.watch()"
      : `watched for ${span(watchedFor)}, and what began before is not here`;
  return `headgate: ${facts.join(", ")}; ${advice}`;
}

function counted(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

function countOf(nodes: readonly ContextNode[]): number {
  return nodes.reduce((sum, { children, more }) => sum + 1 + more + countOf(children), 0);
}

/** Waits that are equal except for the object and the age, the most numerous first. */
function groupsOf(waits: readonly Wait[]): Wait[][] {
  const groups = new Map<string, Wait[]>();
  for (const wait of waits) {
    const places = wait.stack.map(({ at }) => at).join();
    const key = [generic(wait.what), places, wait.why, wait.made, wait.heldBy, wait.reachable].join("\n");
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [wait]);
    else group.push(wait);
  }
  return [...groups.values()].sort((a, b) => b.length - a.length);
}

function waitLines(group: readonly Wait[], watched: boolean): string[] {
  const [first] = group as [Wait];
  const isSame = group.every(({ what }) => what === first.what);
  const what = `${group.length === 1 ? "" : `${group.length} × `}${isSame ? first.what : generic(first.what)}`;
  const ages = group.map(({ age }) => age ?? 0);
  const [least, most] = [span(ages.at(-1)!), span(ages[0]!)];
  const age = !watched ? "" : least === most ? `, ${most}` : `, ${least} to ${most}`;
  const lines = [`${what}${age}${first.reachable ? "" : ", and nothing can wake it any more"}`];
  const tasks = [...new Set(group.map(({ task }) => task).filter(Boolean))];
  const made = first.made === "" ? "" : `, made at ${first.made}`;
  if (first.state !== "") lines.push(`    on      ${isSame ? first.state : `${first.state} and others`}${made}`);
  if (first.heldBy !== "") lines.push(`    held by ${first.heldBy}`);
  if (tasks.length > 0) lines.push(`    in task ${tasks.slice(0, 5).join(", ")}${tasks.length > 5 ? ", …" : ""}`);
  if (first.why !== "") lines.push(`    at      (${first.why})`);
  for (const frame of first.stack) lines.push(`    at      ${textOf(frame)}`);
  return lines;
}

/** Equal tasks together, the most numerous first. */
function taskLines(tasks: readonly Task[]): string[] {
  const groups = new Map<string, Task[]>();
  for (const task of tasks) {
    const key = `${generic(task.name)}\n${task.at}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [task]);
    else group.push(task);
  }
  const byNumber = [...groups.values()].sort((a, b) => b.length - a.length);
  return byNumber.map((group) => {
    const [first] = group as [Task];
    const name = group.length === 1 ? first.name : `${group.length} × ${generic(first.name)}`;
    const [least, most] = [span(group.at(-1)!.age), span(first.age)];
    return `    ${name}, ${least === most ? most : `${least} to ${most}`}, started at ${placeText(first.stack[0], first.at)}`;
  });
}

function placeText(frame: Wait["stack"][number] | undefined, at: string): string {
  return frame === undefined ? at || "(no stack was taken)" : textOf(frame);
}

function contextLines(node: ContextNode, indent: string): string[] {
  const { name, kind, age, deadline, made, waiting, children, more } = node;
  const facts = [kind];
  if (age !== undefined) facts.push(span(age));
  if (deadline !== undefined) facts.push(`deadline in ${span(deadline)}`);
  if (waiting > 0) facts.push(`${waiting} waiting`);
  if (made !== "") facts.push(`made at ${made}`);
  const lines = [`${indent}${name}: ${facts.join(", ")}`];
  for (const child of children) for (const line of contextLines(child, `${indent}    `)) lines.push(line);
  if (more > 0) lines.push(`${indent}    and ${counted(more, "context")} more`);
  return lines;
}

/** A duration for a reader. */
function span(ms: number): string {
  if (Math.abs(ms) < 1_000) return `${Math.round(ms)}ms`;
  const s = Math.round(ms / 1_000);
  if (s < 60) return `${(ms / 1_000).toFixed(1)}s`;
  if (s < 3_600) return `${Math.floor(s / 60)}m${s % 60}s`;
  return `${Math.floor(s / 3_600)}h${Math.floor((s % 3_600) / 60)}m`;
}
