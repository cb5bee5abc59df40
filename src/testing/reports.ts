/**
 * The errors of a bubble that makes no progress or leaves something behind, with the report in each message.
 */
import type { CallSite } from "./callsite.ts";
import { OTHER_COPY } from "./copies.ts";
import { DeadlockError, LeakError } from "./errors.ts";
import type { BubbleScheduler } from "./scheduler.ts";
import { lineOf, type Resumption, type Task, Wait } from "./task.ts";

/** Every task is blocked, and no timer is set. */
export function deadlock(bubble: BubbleScheduler): DeadlockError {
  const blocked = bubble.infos();
  const what = "deadlock: all tasks in the bubble are blocked and no timer is pending";
  return new DeadlockError(messageOf(bubble, [what, ...blocked.map(lineOf)]), blocked);
}

/**
 * These tasks have waited for the world outside for `patience` ms, which is the whole of `externalTimeout` or a tenth.
 */
export function blockedOutside(
  bubble: BubbleScheduler,
  outside: readonly Task[],
  patience: number,
  externalTimeout: number,
): DeadlockError | LeakError {
  const isShort = patience < externalTimeout;
  const lines = [
    `blocked outside the bubble for more than ${patience}ms of real time${isShort ? ", a tenth of `externalTimeout`, because nothing was begun that could bring news" : ""}`,
    ...outside.map((task) => lineOf(bubble.infoOf(task))),
    "If it is I/O, bring it into the schedule by t.external(promise), and raise `externalTimeout` if it may take longer. If it is another task of the test, let them use a channel",
  ];
  const Class = bubble.main.ended ? LeakError : DeadlockError;
  return new Class(messageOf(bubble, lines), bubble.infos());
}

/** Number of resumptions that the report of a livelock counts. */
const LAST = 100;
/** The last steps of a livelock, which have at least that many: to keep all resumptions costs a tenth of the time. */
export const HISTORY_STEPS: number = 4 * LAST;

/** The last resumptions, as a ring. */
export class History {
  readonly last: Resumption[] = [];
  private added = 0;

  add(resumption: Resumption): void {
    this.last[this.added++ % LAST] = resumption;
  }
}

/** The scenario has made as many steps as it may. */
export function livelock(bubble: BubbleScheduler, { last }: History): DeadlockError {
  const tasks = bubble.infos();
  const lines = [
    `livelock: the scenario has made ${bubble.steps} steps; if it is not an endless loop, allow more by the option \`maxSteps\``,
    ...tasks.map(lineOf),
    `The last ${last.length} resumptions were`,
    ...byFrequency(last.map((resumption) => actionOf(bubble, resumption))),
  ];
  return new DeadlockError(messageOf(bubble, lines), tasks);
}

/** A step of `task` would never have ended, and was stopped. `sites` are those of its last promises. */
export function endlessStep(bubble: BubbleScheduler, task: Task, sites: readonly CallSite[]): DeadlockError {
  const tasks = bubble.infos();
  const lines = [
    `livelock: ${task.name} was stopped: it awaits one promise after the other, and none that lets another task run. If it is not an endless loop, allow more by the option \`maxSteps\`, or put a t.yield() into it`,
    ...tasks.map(lineOf),
    `The last ${sites.length} promises were made`,
    ...byFrequency(sites.map(({ at }) => ({ what: at === "" ? "at an unknown place" : "", object: "", at }))),
  ];
  return new DeadlockError(messageOf(bubble, lines), tasks);
}

/** The test has returned and left something behind; undefined if it has not. */
export function leak(bubble: BubbleScheduler): LeakError | undefined {
  const left = bubble.infos();
  const { contexts, names } = bubble;
  const { alarms } = bubble.clock;
  if (left.length + contexts.size + alarms.length === 0) return undefined;
  const found = [
    left.length > 0 && `${left.length} task(s) that do not end, although t.ctx has ended and time stands still`,
    contexts.size > 0 &&
      `${contexts.size} context(s) that were never cancelled: call cancel in finally, or write using _ = cancel`,
    alarms.length > 0 && `${alarms.length} timer(s) still set: stop them, or end their ctx`,
  ];
  const lines = [
    `leak: the test returned and left ${found.filter((text) => text !== false).join(", and ")}`,
    ...left.map(lineOf),
    ...[...contexts].map(([ctx, { at }]) => `  ${names.of(ctx)}${at === "" ? "" : ` made at ${at}`}`),
    ...alarms.map((alarm) => `  ${alarm.label(names)}${alarm.site.at === "" ? "" : ` set at ${alarm.site.at}`}`),
  ];
  return new LeakError(messageOf(bubble, lines), left);
}

/** The lines as one message, with a warning if the kit has not seen everything. */
function messageOf(bubble: BubbleScheduler, lines: readonly string[]): string {
  return (bubble.usesOther ? [...lines, `Beware: ${OTHER_COPY}`] : lines).join("\n");
}

/** An action of a loop: what was done, to which object, in which line. */
interface Action {
  readonly what: string;
  readonly object: string;
  readonly at: string;
}

function actionOf(bubble: BubbleScheduler, resumption: Resumption): Action {
  const { name, site: begun } = resumption.task;
  if (!(resumption instanceof Wait)) return { what: `${name.padEnd(12)} start`, object: "", at: begun.at };
  const { op, on, site } = resumption;
  return { what: `${name.padEnd(12)} ${op}`, object: op === "select" ? "" : bubble.names.target(on, op), at: site.at };
}

/** Number of different actions that a report shows. */
const MAX_ACTIONS = 8;

/** The different actions, the most frequent first, each with its count. */
function byFrequency(actions: readonly Action[]): string[] {
  const found = new Map<string, { n: number; action: Action; readonly objects: Set<string> }>();
  for (const action of actions) {
    // If the line is known, it is enough: a loop may make a new object each time.
    const key = `${action.what} ${action.at === "" ? action.object : action.at}`;
    if (!found.has(key)) found.set(key, { n: 0, action, objects: new Set() });
    const same = found.get(key)!;
    same.n++;
    same.objects.add(action.object);
  }
  const sorted = [...found.values()].sort((a, b) => b.n - a.n);
  const shown = sorted.slice(0, MAX_ACTIONS).map(({ n, action: { what, object, at }, objects }) => {
    const target = objects.size > 1 ? `${objects.size} different objects` : object;
    const parts = [`${n} ×`.padEnd(6), what, target, at === "" ? "" : `at ${at}`];
    return `  ${parts.filter((part) => part !== "").join(" ")}`;
  });
  return sorted.length <= MAX_ACTIONS ? shown : [...shown, `  and ${sorted.length - MAX_ACTIONS} more`];
}
