/**
 * View 3 as a scenario: a script of presses is run in a bubble, and after each press everything is read from the real objects.
 *
 * The outcome of a select that had several ready cases is part of the press, such as `x1`: the second of those that were ready. So a
 * script always does the same.
 */
import { Chan, context, type Context, go, select, time } from "headgate";
import type { Bubble, TraceStep } from "headgate/testing";
import { recorded } from "../record.ts";

/** A press: send on a or b, receive, close, select, end the context, let time pass. */
export type Press = "sa" | "sb" | "ra" | "rb" | "ca" | "cb" | "e" | "t" | `x${number}`;

export const isPress = (text: string): text is Press => /^([src][ab]|e|t|x\d?)$/.test(text);

export type Side = "a" | "b";

/** A call that has begun: a task of its own. */
export interface Call {
  readonly task: string;
  readonly press: number;
  readonly kind: "send" | "recv" | "select";
  readonly on: Side | "both";
  /** The value of a send. */
  readonly value: string;
  /** How it ended; empty while it waits. */
  result: string;
  /** What a select took. */
  took: string;
}

/** A channel, as it was read. */
export interface ChannelState {
  readonly length: number;
  readonly capacity: number;
  readonly text: string;
}

/** Everything after a press. */
export interface State {
  readonly done: number;
  readonly a: ChannelState;
  readonly b: ChannelState;
  readonly ended: boolean;
  readonly calls: readonly Call[];
  /** The tasks that wait, by name. */
  readonly blocked: readonly string[];
  /** What the press itself did or threw. */
  readonly said: string;
}

/** A select that had a choice: the press, the cases that were ready, and the one that it took. */
export interface Dice {
  readonly press: number;
  readonly among: readonly string[];
  readonly pick: number;
}

export interface Play {
  readonly states: readonly State[];
  readonly dice: readonly Dice[];
  readonly replay: string;
  readonly steps: readonly TraceStep[];
}

const TIMER = 10;

/** The objects of a run, and the presses on them. */
class Table {
  readonly a: Chan<string>;
  readonly b: Chan<string>;
  readonly ctx: Context;
  readonly cancel: () => void;
  readonly calls: Call[] = [];
  done = 0;
  said = "";
  private readonly t: Bubble;
  private readonly counts: { [kind: string]: number } = {};

  constructor(t: Bubble, capacity: number) {
    this.t = t;
    this.a = t.name(new Chan<string>(capacity), "a");
    this.b = t.name(new Chan<string>(capacity), "b");
    [this.ctx, this.cancel] = context.withCancel(t.ctx);
    t.name(this.ctx, "ctx");
  }

  look(): State {
    const read = (ch: Chan<string>): ChannelState => ({ length: ch.length, capacity: ch.capacity, text: String(ch) });
    const { a, b, done, calls, said, t } = this;
    const blocked = t.tasks().flatMap(({ name, state }) => (state === "blocked" ? [name] : []));
    return { done, a: read(a), b: read(b), ended: this.ctx.err() !== undefined, calls, blocked, said };
  }

  press(press: Press): void {
    this.said = "";
    const [kind, side] = press as unknown as [string, Side];
    if (kind === "s") return this.send(side);
    if (kind === "r") return this.receive(side);
    if (kind === "x") return this.select();
    if (kind === "c") return this.close(side);
    if (kind === "e") return this.cancel();
  }

  private close(side: Side): void {
    try {
      this[side].close();
    } catch (error) {
      this.said = String(error);
    }
  }

  private send(side: Side): void {
    const value = `${side}${this.next(side)}`;
    this.begin("send", side, value, async () => {
      await this[side].send(value, this.ctx);
      return "sent";
    });
  }

  private receive(side: Side): void {
    this.begin("recv", side, "", async () => {
      const [value, ok] = await this[side].recv(this.ctx);
      return ok ? `got ${value}` : "closed";
    });
  }

  private select(): void {
    const call = this.begin("select", "both", "", async () => {
      const timer = time.after(TIMER);
      const got = await select({ a: this.a, b: this.b, stop: this.ctx.done(), timer });
      call.took = got.case;
      return `took ${got.case}${got.ok ? (got.case === "timer" ? "" : `: ${got.value}`) : ": closed"}`;
    });
  }

  private begin(kind: Call["kind"], on: Call["on"], value: string, run: () => Promise<string>): Call {
    const task = kind === "send" ? `send ${value}` : `${kind} ${this.next(kind)}`;
    const call: Call = { task, press: this.done, kind, on, value, result: "", took: "" };
    this.calls.push(call);
    const body = async (): Promise<void> => {
      call.result = await run().catch((error: unknown) => String(error));
    };
    go(this.t.name(body, task));
    return call;
  }

  private next(kind: string): number {
    return (this.counts[kind] = (this.counts[kind] ?? 0) + 1);
  }
}

const scenarioOf = (capacity: number, script: readonly Press[]) => async (t: Bubble) => {
  const table = new Table(t, capacity);
  t.watch(() => table.look());
  for (const press of script) {
    table.press(press);
    if (press === "t") await t.sleep(TIMER);
    else await t.wait();
    table.done++;
    await t.yield();
  }
  table.cancel();
  await t.sleep(2 * TIMER); // the timers of the selects fire
};

/** Runs a script. The picks of its selects are put into the replay string, one after the other. */
export async function played(capacity: number, script: readonly Press[]): Promise<Play> {
  const picks: number[] = [];
  const scenario = scenarioOf(capacity, script);
  for (;;) {
    const replay = picks.length === 0 ? "0" : picks.map((pick) => pick.toString(36)).join(".");
    const { steps } = await recorded(scenario, replay);
    const rows = steps.flatMap((step) => step.rows).filter((row) => row.choices > 1);
    const wrong = rows.findIndex((row, i) => i >= picks.length && row.pick !== wantedOf(row, script, steps));
    if (wrong < 0) return { states: statesOf(steps, script.length), dice: diceOf(steps), replay, steps };
    while (picks.length < wrong) picks.push(rows[picks.length]!.pick!);
    picks.push(wantedOf(rows[wrong]!, script, steps));
  }
}

type Row = TraceStep["rows"][number];

/** The pick that the script asks for. */
function wantedOf(row: Row, script: readonly Press[], steps: readonly TraceStep[]): number {
  if (row.event !== "select") return 0;
  const press = script[pressOf(row, steps)] ?? "x0";
  return Number(press.slice(1) || 0) % row.choices;
}

/** The press that a step belongs to. */
function pressOf({ step }: Row, steps: readonly TraceStep[]): number {
  const before = steps.findLast((one) => one.step < step)?.snapshot as State | undefined;
  return before?.done ?? 0;
}

function diceOf(steps: readonly TraceStep[]): readonly Dice[] {
  const rows = steps.flatMap((step) => step.rows);
  return rows.flatMap((row) =>
    row.event === "select" && row.choices > 1
      ? [{ press: pressOf(row, steps), among: row.among!, pick: row.pick! }]
      : [],
  );
}

/** The state before the first press, and after each. */
function statesOf(steps: readonly TraceStep[], presses: number): readonly State[] {
  const snapshots = steps.map(({ snapshot }) => snapshot as State).filter((state) => state !== undefined);
  const first = { ...snapshots[0]!, done: 0, calls: [], blocked: [], ended: false, said: "" };
  const empty = (state: ChannelState): ChannelState => ({
    length: 0,
    capacity: state.capacity,
    text: `Chan(0/${state.capacity})`,
  });
  const states: State[] = [{ ...first, a: empty(first.a), b: empty(first.b) }];
  for (let done = 1; done <= presses; done++) states.push(snapshots.find((state) => state.done === done)!);
  return states;
}
