/**
 * The waits and the contexts of a process in which nothing was watched: they are searched for in the heap, as Python's
 * `asyncio ps` and .NET's `dumpasync` do. The inspector of Node can list all objects of a prototype.
 *
 * What is found has no line and no age. The search begins with a garbage collection, so a wait that nothing can wake
 * is not found.
 */
import { Chan } from "../chan/chan.ts";
import { CancelCtx } from "../context/cancel.ts";
import { Group } from "../errgroup.ts";
import { isA } from "../internal/foreign.ts";
import { Inspectable } from "../internal/inspect.ts";
import { wheel } from "../internal/timerwheel.ts";
import { CTX_WAITER, isCallback, type Waiter, WaitQueue } from "../internal/waitqueue.ts";
import { Weighted } from "../semaphore.ts";
import { Group as Flights } from "../singleflight.ts";
import { Cond, Mutex, RWMutex, WaitGroup } from "../sync/index.ts";
import { type ContextNode, doneChannels, treesOf } from "./contexts.ts";
import { States } from "./locks.ts";
import { nameOf, operationText } from "./name.ts";
import { builtin, load } from "./platform.ts";
import type { Part, Wait } from "./wait.ts";

/** What a search has found. */
export interface Found {
  readonly waits: Part<Wait>;
  readonly contexts: readonly ContextNode[];
}

/** Loads what a search needs, where that takes an `import`. */
export function prepareSearch(): Promise<void> {
  return load("node:inspector");
}

/** Searches the heap; undefined where the platform cannot. At most `most` waits are listed. */
export function searchHeap(most: number): Found | undefined {
  const objects = instancesOf(Inspectable.prototype);
  if (objects === undefined) return undefined;
  const contexts = objects.filter((object) => CancelCtx.isOne(object));
  const owners = doneChannels(contexts);
  const places = placesOf(objects);
  const states = new States();
  const waits: Wait[] = [];
  let all = 0;
  const seen = new Set<Waiter>();
  for (const queue of queuesOf(places)) {
    for (let waiter = queue.head; waiter !== null; waiter = waiter.next) {
      if (seen.has(waiter) || waiter.shape === CTX_WAITER) continue;
      // A context waits so for the end of a foreign parent.
      if (isCallback(waiter) && /recv/.test(places.get(queue)?.[0] ?? "")) continue;
      for (const sibling of siblingsOf(waiter)) seen.add(sibling);
      all++;
      if (waits.length < most) waits.push(waitOf(waiter, queue, places, owners, states));
    }
  }
  return { waits: { listed: waits, all }, contexts: treesOf(contexts) };
}

/** What waiting in a queue means: the operation, and the object. */
type Place = readonly [op: string, on: object];

/** The places of the queues that these objects have. */
function placesOf(objects: readonly object[]): Map<WaitQueue, Place> {
  const places = new Map<WaitQueue, Place>();
  const add = (queue: WaitQueue | undefined, op: string, on: object): void => {
    // A prototype has none.
    if (queue !== undefined) places.set(queue, [op, on]);
  };
  for (const object of objects) {
    if (Chan.isOne(object)) {
      add(object.receivers, "recv", object);
      add(object.senders, "send", object);
    } else if (isA(object, Mutex)) add(object["waiting"], "lock", object);
    else if (isA(object, RWMutex)) {
      add(object["writersWaiting"], "lock", object);
      add(object["readersWaiting"], "rLock", object);
    } else if (isA(object, Cond)) add(object["waiting"], "cond.wait", object);
    else if (isA(object, WaitGroup)) add(object["waiting"], "wg.wait", object);
    else if (isA(object, Weighted)) add(object["waiting"], "acquire", object);
    else if (isA(object, Group)) {
      add(object["queued"], "group.go", object);
      add(object["joining"], "group.wait", object);
    } else if (isA(object, Flights) && Object.hasOwn(object, "calls")) {
      for (const call of object["calls"].values()) add(call.waiting, "singleflight.do", object);
    }
  }
  return places;
}

/**
 * The queues. Those of the objects are known, and the timing wheel has those of sleepers. Others are found from a
 * context, whose channel has a sibling of each waiter. To search for the queues themselves would take as long again.
 */
function queuesOf(places: ReadonlyMap<WaitQueue, Place>): Set<WaitQueue> {
  const queues = new Set(places.keys());
  for (const slot of wheel["slots"].values())
    for (let alarm = slot.first; alarm !== null; alarm = alarm.next)
      if (isA(alarm.target, WaitQueue)) queues.add(alarm.target);
  for (const place of places.keys())
    for (let waiter = place.head; waiter !== null; waiter = waiter.next)
      for (const { queue } of siblingsOf(waiter)) if (queue !== null) queues.add(queue);
  return queues;
}

/** The waiters of the same operation, without its context's. */
function siblingsOf(waiter: Waiter): Waiter[] {
  const siblings = [waiter];
  for (let w = waiter.sibling; w !== null && w !== waiter; w = w.sibling) siblings.push(w);
  return siblings.filter(({ shape }) => shape !== CTX_WAITER);
}

function waitOf(
  waiter: Waiter,
  queue: WaitQueue,
  places: ReadonlyMap<WaitQueue, Place>,
  owners: ReadonlyMap<object, string>,
  states: States,
): Wait {
  const place = places.get(queue);
  // The key of a select's waiter is its case, of a plain receive there is none.
  const isSelect = place !== undefined && Chan.isOne(place[1]) && /string|number/.test(typeof waiter.key);
  // The queue of a sleep has its duration. A queue does not name its object, which may be gone.
  const [op, on] = place ?? [Object.hasOwn(queue, "ms") ? "sleep" : "", undefined];
  const what =
    op === ""
      ? "context.wait a promise, or an object that is gone"
      : isSelect
        ? `select ${casesText(waiter, places, owners)}`
        : operationText(op, on, waiter.value, owners);
  return {
    what,
    state: isSelect || on === undefined ? "" : states.of(on),
    age: undefined,
    at: "",
    why: "",
    stack: [],
    made: "",
    heldBy: "",
    task: "",
    reachable: true,
  };
}

function casesText(waiter: Waiter, places: ReadonlyMap<WaitQueue, Place>, owners: ReadonlyMap<object, string>): string {
  const cases = siblingsOf(waiter).map(({ key, queue }) => {
    const [op, on] = places.get(queue!) ?? ["recv", undefined];
    return `${String(key)}: ${nameOf(on, owners) || "?"}${op === "send" ? " ←" : ""}`;
  });
  // Siblings are a circle: which of them was the first is not known.
  return `{ ${cases.sort((a, b) => (a < b ? -1 : 1)).join(", ")} }`;
}

// ------------------------------------------------------------------------------------------------------- the inspector

interface Session {
  connect(): void;
  disconnect(): void;
  post(method: string, parameters: object, answered: (error: unknown, answer: Answer) => void): void;
}

interface Answer {
  readonly result?: { readonly objectId?: string };
  readonly objects?: { readonly objectId?: string };
}

const HANDOVER = /* @__PURE__ */ Symbol.for("headgate.debug.handover");
const world = globalThis as { [HANDOVER]?: unknown };

/** All objects with this prototype; undefined where the platform cannot list them. */
function instancesOf(prototype: object): object[] | undefined {
  const inspector = builtin("node:inspector") as { Session?: new () => Session } | undefined;
  if (inspector?.Session === undefined) return undefined;
  let session: Session | undefined;
  try {
    session = new inspector.Session();
    session.connect();
    return instances(session, prototype);
  } catch {
    return undefined;
  } finally {
    delete world[HANDOVER];
    try {
      // What it has named is free again.
      session?.disconnect();
    } catch {
      // It was closed by the platform, which has no inspector of its own process.
    }
  }
}

/** The inspector sees what is on the global object, and calls a function that is there. */
function instances(session: Session, prototype: object): object[] {
  const handover = 'globalThis[Symbol.for("headgate.debug.handover")]';
  world[HANDOVER] = prototype;
  const { result } = ask(session, "Runtime.evaluate", { expression: handover });
  const { objects } = ask(session, "Runtime.queryObjects", { prototypeObjectId: result?.objectId });
  let found: unknown;
  world[HANDOVER] = (list: unknown) => void (found = list);
  const functionDeclaration = `function () { ${handover}(this); }`;
  ask(session, "Runtime.callFunctionOn", { objectId: objects?.objectId, functionDeclaration });
  if (!Array.isArray(found)) throw new TypeError("the inspector has answered with no list");
  return found as object[];
}

/** Node answers before `post` returns. */
function ask(session: Session, method: string, parameters: object): Answer {
  let answer: Answer | undefined;
  let failure: unknown;
  session.post(method, parameters, (error, given) => {
    failure = error;
    answer = given;
  });
  if (answer === undefined || failure) throw new Error(`${method} has no answer`, { cause: failure });
  return answer;
}
