/**
 * Random programs on a few channels, from printed seeds.
 *
 * In the first part each step is compared with a model of channels that is too simple to be wrong: lists, searched from
 * the front. In the second part tasks run freely and the books are balanced at the end: what was sent was received once
 * or is in a buffer.
 */
import { Chan, type Cases, ClosedChannel, type Context, context, nil, select, sending, trySelect } from "headgate";
import { afterEach, describe, expect, it, vi } from "vitest";
import { settle } from "../support/clock.ts";
import { dice } from "../support/random.ts";

type Program = (random: (n: number) => number) => Promise<void>;

/** Runs `program` for every seed; a failure says which one it was. The choices of select come from the seed, too. */
async function withSeeds(from: number, to: number, program: Program): Promise<void> {
  for (let seed = from; seed < to; seed++) {
    const random = dice(seed);
    vi.spyOn(Math, "random").mockImplementation(() => random(1 << 20) / (1 << 20));
    try {
      await program(random);
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    }
  }
}

afterEach(() => {
  vi.restoreAllMocks();
});

/** A context, so that its done channel can be looked into. */
interface Scope {
  ctx: Context;
  cancel: () => void;
  /** Who waits for its end. */
  watchers: () => number;
}

function scope(random: (n: number) => number): Scope {
  const [ctx, cancel] = context.withCancel(context.background());
  const ending = ctx.done() as Chan<never>;
  if (random(3) > 0) return { ctx, cancel, watchers: () => ending.receivers.count() };
  // Somebody else's context, which can only be heard of through its signal.
  const { signal } = ctx;
  const foreign = { deadline: () => undefined, value: () => undefined, err: () => ctx.err(), signal, done: () => ({}) };
  const listeners = new Set<unknown>();
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  signal.addEventListener = (...args: Parameters<typeof add>) => (listeners.add(args[1]), add(...args));
  signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners.delete(args[1]), remove(...args));
  return { ctx: foreign as unknown as Context, cancel, watchers: () => listeners.size };
}

const waiting = (ch: Chan<number>): number => ch.receivers.count() + ch.senders.count();

// -------------------------------------------------------------------------------------------------------- step by step

type Outcome = { sent: unknown } | { got: unknown; ok: boolean; by: unknown } | { error: unknown } | "would block";

/** One case of an operation: a channel by its number (−1 is nil), and what to send, or undefined to receive. */
interface Side {
  ch: number;
  sends: number | undefined;
  key: string;
}

/** An operation as the model sees it. */
interface Op {
  sides: Side[];
  scope: Scope | undefined;
  blocking: boolean;
  outcome: Outcome | undefined;
  expected: Outcome | undefined;
}

interface ModelChan {
  capacity: number;
  buffer: number[];
  closed: boolean;
}

/** The whole theory of channels. The operations that wait are in one list, in the order of their coming. */
class Model {
  channels: ModelChan[] = [];
  waiting: Op[] = [];
  ended = new Set<Scope>();

  private firstWith(ch: number, sends: boolean): [Op, Side] | undefined {
    for (const op of this.waiting) {
      for (const side of op.sides) if (side.ch === ch && (side.sends !== undefined) === sends) return [op, side];
    }
    return undefined;
  }

  finish(op: Op, outcome: Outcome): void {
    op.expected = outcome;
    this.waiting = this.waiting.filter((other) => other !== op);
  }

  isReady({ ch, sends }: Side): boolean {
    const chan = this.channels[ch];
    if (chan === undefined) return false;
    if (chan.closed || this.firstWith(ch, sends === undefined) !== undefined) return true;
    return sends === undefined ? chan.buffer.length > 0 : chan.buffer.length < chan.capacity;
  }

  begin(op: Op): void {
    if (op.scope !== undefined && this.ended.has(op.scope)) return this.finish(op, { error: op.scope.ctx.err() });
    const ready = op.sides.filter((side) => this.isReady(side));
    if (ready.length > 0) this.perform(op, this.taken(ready, op.outcome));
    else if (op.blocking) this.waiting.push(op);
    else this.finish(op, "would block");
  }

  /** Which of the ready cases it is: where there is a choice the library has made it. */
  private taken(ready: Side[], outcome: Outcome | undefined): Side {
    if (typeof outcome !== "object") return ready[0]!;
    const by = "sent" in outcome ? outcome.sent : "by" in outcome ? outcome.by : "failed";
    const isTaken = ({ key, sends, ch }: Side): boolean =>
      by === "failed" ? sends !== undefined && this.channels[ch]!.closed : key === by;
    return ready.find(isTaken) ?? ready[0]!;
  }

  private perform(op: Op, { ch, sends, key }: Side): void {
    const chan = this.channels[ch]!;
    const peer = this.firstWith(ch, sends === undefined);
    if (sends !== undefined) {
      if (chan.closed) return this.finish(op, { error: "send on closed channel" });
      if (peer !== undefined) this.finish(peer[0], { got: sends, ok: true, by: peer[1].key });
      else chan.buffer.push(sends);
      return this.finish(op, { sent: key });
    }
    if (peer !== undefined) {
      chan.buffer.push(peer[1].sends!);
      this.finish(peer[0], { sent: peer[1].key });
    }
    const value = chan.buffer.shift();
    this.finish(op, { got: value, ok: value !== undefined, by: key });
  }

  close(ch: number): void {
    this.channels[ch]!.closed = true;
    for (let peer; (peer = this.firstWith(ch, false));) {
      this.finish(peer[0], { got: undefined, ok: false, by: peer[1].key });
    }
    for (let peer; (peer = this.firstWith(ch, true));) this.finish(peer[0], { error: "send on closed channel" });
  }

  cancel(scope: Scope): void {
    this.ended.add(scope);
    for (const op of this.waiting.filter((each) => each.scope === scope)) this.finish(op, { error: scope.ctx.err() });
  }
}

/** Does the operation on real channels. */
function start(op: Op, channels: Chan<number>[], form: number): void {
  const settle = (outcome: Outcome): void => {
    op.outcome = outcome;
  };
  const caught = (error: unknown): void => settle({ error: error instanceof ClosedChannel ? error.message : error });
  const read = (got: { case: string | number; value?: unknown; ok?: boolean } | undefined): void => {
    if (got === undefined) settle("would block");
    else if ("ok" in got) settle({ got: got.value, ok: got.ok!, by: got.case });
    else settle({ sent: got.case });
  };
  const pair = ([got, ok]: readonly [unknown, boolean]): void => settle({ got, ok, by: "only" });
  const { sides, blocking } = op;
  const ctx = op.scope?.ctx;
  const [{ ch, sends }] = sides as [Side];
  const only = channels[ch] ?? nil;
  if (sides.length > 1 || form === 0) {
    const chan = (side: Side): Chan<number> | typeof nil => channels[side.ch] ?? nil;
    const list = sides.map((side) => (side.sends === undefined ? chan(side) : sending(chan(side), side.sends)));
    const cases: Cases = Object.fromEntries(list.map((each, i) => [sides[i]!.key, each]));
    try {
      if (blocking) select(cases, ctx).then(read, caught);
      else read(trySelect(cases));
    } catch (error) {
      caught(error);
    }
  } else if (blocking) {
    if (sends !== undefined) only.send(sends, ctx).then(() => settle({ sent: "only" }), caught);
    else if (form === 1) only.recv(ctx).then(pair, caught);
    else
      only
        .values(ctx)
        .next()
        .then(({ value, done }) => pair([value, done !== true]), caught);
  } else if (sends !== undefined) {
    try {
      settle(only.trySend(sends) ? { sent: "only" } : "would block");
    } catch (error) {
      caught(error);
    }
  } else {
    const got = only.tryRecv();
    if (got === undefined) settle("would block");
    else pair(got);
  }
}

async function stepByStep(random: (n: number) => number): Promise<void> {
  const model = new Model();
  const channels: Chan<number>[] = [];
  for (let i = 0; i <= random(3); i++) {
    const capacity = random(4);
    channels.push(new Chan(capacity));
    model.channels.push({ capacity, buffer: [], closed: false });
  }
  const scopes = [scope(random), scope(random)];
  const ops: Op[] = [];
  let value = 1;

  /** Does something with the channels; returns how to do the same with the model. */
  const step = (): (() => void) => {
    const dice = random(24);
    if (dice === 0) {
      const ch = random(channels.length);
      const wasClosed = channels[ch]!.closed;
      if (!wasClosed) channels[ch]!.close();
      return () => {
        if (!wasClosed) model.close(ch);
      };
    }
    if (dice === 1) {
      const ending = scopes[random(2)]!;
      ending.cancel();
      return () => model.cancel(ending);
    }
    const several = random(3) === 0;
    const sides: Side[] = [];
    for (let i = several ? 1 + random(3) : 0; i >= 0; i--) {
      const ch = random(12) === 0 ? -1 : random(channels.length);
      sides.push({ ch, key: several ? `case ${i}` : "only", sends: random(2) === 0 ? value++ : undefined });
    }
    const blocking = random(4) > 0;
    const guard = blocking ? scopes[random(3)] : undefined;
    const op: Op = { sides, blocking, scope: guard, outcome: undefined, expected: undefined };
    ops.push(op);
    start(op, channels, random(3));
    return () => model.begin(op);
  };
  const compare = (): void => {
    const texts = (of: (op: Op) => Outcome | undefined): string => ops.map((op) => textOf(of(op), scopes)).join("; ");
    const sides = model.waiting.flatMap((op) => op.sides);
    const queued = channels.map((_, i) => sides.filter(({ ch }) => ch === i).length);
    const lengths = model.channels.map(({ buffer }) => buffer.length);
    const real = [texts((op) => op.outcome), channels.map(({ length }) => length), channels.map(waiting)].join(" | ");
    expect(real).toBe([texts((op) => op.expected), lengths, queued].join(" | "));
  };

  for (let round = 0; round < 8; round++) {
    const replays = Array.from({ length: 1 + random(5) }, step);
    await settle();
    for (const replay of replays) replay();
    compare();
  }
  for (const ending of scopes) {
    ending.cancel();
    model.cancel(ending);
  }
  await settle();
  compare();
  for (const { watchers } of scopes) expect(watchers()).toBe(0);
}

/** An outcome in a form to compare and to read. */
function textOf(outcome: Outcome | undefined, scopes: Scope[]): string {
  if (outcome === undefined) return "waits";
  if (outcome === "would block") return outcome;
  if ("sent" in outcome) return `sent by ${outcome.sent}`;
  if ("by" in outcome) return `${outcome.ok ? `got ${outcome.got}` : "closed"} by ${outcome.by}`;
  const ended = scopes.findIndex(({ ctx }) => ctx.err() === outcome.error);
  return ended < 0 ? `failed: ${outcome.error}` : `ended with scope ${ended}`;
}

// ----------------------------------------------------------------------------------------------------------- let loose

/** A value says who sent it and as which of his. */
const stamp = (sender: number, n: number): number => sender * 1000 + n;

async function letLoose(random: (n: number) => number): Promise<void> {
  const channels = Array.from({ length: 1 + random(3) }, () => new Chan<number>(random(4)));
  const scopes = Array.from({ length: 3 }, () => scope(random));
  /** Whether every wait has a context. */
  const guarded = random(2) === 0;
  const [sent, refused] = [new Set<string>(), new Set<string>()];
  const received: string[] = [];
  const failures: unknown[] = [];
  let running = 0;

  const task = async (me: number): Promise<void> => {
    /** The last value this task has received from a sender through a channel. */
    const last = new Map<string, number>();
    const took = (ch: number, value: number): void => {
      received.push(`${ch}:${value}`);
      const line = `${ch} from ${Math.floor(value / 1000)}`;
      if (value <= (last.get(line) ?? -1)) failures.push(`out of order: ${value} through ${line}`);
      last.set(line, value);
    };
    const { ctx } = scopes[random(scopes.length)]!;
    let n = 0;
    for (let step = 0; step < 6; step++) {
      for (let pause = random(4); pause > 0; pause--) await Promise.resolve();
      const i = random(channels.length);
      const ch = channels[i]!;
      const value = stamp(me, n++);
      const offered = `${i}:${value}`;
      const guard = guarded || random(3) > 0 ? ctx : undefined;
      switch (random(9)) {
        case 0:
        case 1:
          refused.add(offered);
          await ch.send(value, guard);
          refused.delete(offered);
          sent.add(offered);
          break;
        case 2: {
          const [got, ok] = await ch.recv(guard);
          if (ok) took(i, got);
          break;
        }
        case 3:
        case 4: {
          const j = random(channels.length);
          refused.add(offered);
          const off = random(2) === 0 ? nil : null;
          const cases = { in: channels[j]!, out: sending(ch, value), off, done: ctx.done() };
          const withDone = random(2) === 0 && ctx.done() instanceof Chan;
          const got = await select(withDone ? cases : { ...cases, done: null }, guard);
          if (got.case === "out") {
            refused.delete(offered);
            sent.add(offered);
          } else if (got.case === "in" && got.ok) took(j, got.value);
          break;
        }
        case 5:
          refused.add(offered);
          if (!ch.trySend(value)) break;
          refused.delete(offered);
          sent.add(offered);
          break;
        case 6: {
          const got = ch.tryRecv();
          if (got?.[1]) took(i, got[0]);
          break;
        }
        case 7: {
          let left = 1 + random(3);
          for await (const got of ch.values(guard)) {
            took(i, got);
            if (--left === 0) break;
          }
          break;
        }
        default: {
          const loop = ch.values(guard);
          const next = loop.next();
          await Promise.resolve();
          void loop.return!();
          const { value: got, done } = await next;
          if (done !== true) took(i, got);
        }
      }
    }
  };

  const spawn = (body: () => Promise<void>): void => {
    running++;
    const ended = (): void => void running--;
    body().then(ended, (error: unknown) => {
      ended();
      const isEnd = error !== undefined && scopes.some(({ ctx }) => ctx.err() === error);
      if (!isEnd && !(error instanceof ClosedChannel)) failures.push(error);
    });
  };
  const later = (act: () => void): void => {
    spawn(async () => {
      for (let pause = random(80); pause > 0; pause--) await Promise.resolve();
      act();
    });
  };
  for (let me = 1 + random(8); me > 0; me--) spawn(() => task(me));
  for (const { cancel } of scopes) if (random(2) === 0) later(cancel);
  if (random(3) === 0) later(() => channels[0]!.close());
  await settle();

  for (const { cancel } of scopes) cancel();
  await settle();
  for (const { watchers } of scopes) expect(watchers()).toBe(0);
  if (guarded) expect(channels.map(waiting).join()).toBe(channels.map(() => 0).join());
  for (const ch of channels) if (!ch.closed) ch.close();
  await settle();
  expect([failures, running, ...channels.map(waiting)]).toEqual([[], 0, ...channels.map(() => 0)]);

  const buffered: string[] = [];
  for (const [i, ch] of channels.entries()) {
    for (let got; (got = ch.tryRecv()) !== undefined && got[1];) buffered.push(`${i}:${got[0]}`);
  }
  const arrived = [...received, ...buffered];
  expect(new Set(arrived).size, "received once").toBe(arrived.length);
  expect(
    arrived.filter((value) => refused.has(value)),
    "received though refused",
  ).toEqual([]);
  expect(arrived.sort()).toEqual([...sent].sort());
}

describe("random programs", () => {
  it("do in every step what a simple model does, with every way to send, receive, close and cancel (H1–H12, S1–S11)", async () => {
    await withSeeds(0, 800, stepByStep);
  });

  it("lose no value, invent none, keep the order of each sender, and leave no waiter behind (H5, H11, S7, S8, S14)", async () => {
    await withSeeds(10_000, 13_000, letLoose);
  });
});
