/**
 * The queues of a channel, as the calls leave them; and the invariants of `src/chan/chan.ts`, held against what was read.
 */
import type { Call, Side, State } from "./script.ts";

export interface Queues {
  /** The values in the buffer, the oldest first. */
  readonly buffer: readonly string[];
  /** The calls that wait, in their order. A select waits in the queue of each of its channels. */
  readonly senders: readonly Call[];
  readonly receivers: readonly Call[];
}

/** The values that were taken from a channel. */
function takenFrom(side: Side, calls: readonly Call[]): number {
  return calls.filter(({ kind, on, took, result }) =>
    kind === "recv" ? on === side && result.startsWith("got ") : took === side && !result.endsWith(": closed"),
  ).length;
}

export function queuesOf(side: Side, state: State): Queues {
  const { calls, blocked } = state;
  const waits = (call: Call): boolean => blocked.includes(call.task);
  const sends = calls.filter(({ kind, on }) => kind === "send" && on === side);
  const sent = sends.filter(({ result }) => result === "sent");
  return {
    buffer: sent.slice(takenFrom(side, calls)).map(({ value }) => value),
    senders: sends.filter(waits),
    receivers: calls.filter(
      (call) => waits(call) && (call.kind === "select" || (call.kind === "recv" && call.on === side)),
    ),
  };
}

export interface Rule {
  readonly text: string;
  readonly holds: boolean;
}

/** The five invariants, each held against the text of the real channels. */
export function rulesOf(state: State, texts: readonly string[]): readonly Rule[] {
  const sides: readonly Side[] = ["a", "b"];
  const each = (holds: (side: Side, queues: Queues) => boolean): boolean =>
    sides.every((side) => holds(side, queuesOf(side, state)));
  const waiting = (side: Side, who: string): number =>
    Number(new RegExp(`(\\d+) ${who}`).exec(state[side].text)?.[1] ?? 0);
  const rules = [
    each((side) => waiting(side, "sender") === 0 || waiting(side, "receiver") === 0),
    each((side) => state[side].length === 0 || waiting(side, "receiver") === 0),
    each((side) => state[side].length === state[side].capacity || waiting(side, "sender") === 0),
    each((side, { buffer }) => buffer.length === state[side].length),
    each(
      (side, { senders, receivers }) =>
        senders.length === waiting(side, "sender") && receivers.length === waiting(side, "receiver"),
    ) && inOrder(state),
  ];
  return rules.map((holds, i) => ({ text: texts[i]!, holds }));
}

/** Whether the calls were served first in, first out. */
function inOrder({ calls }: State): boolean {
  return (["a", "b"] as const).every((side) => {
    const sends = calls.filter(
      ({ kind, on, result }) => kind === "send" && on === side && !/Canceled|canceled/.test(result),
    );
    const firstWaiting = sends.findIndex(({ result }) => result === "");
    return firstWaiting < 0 || sends.slice(firstWaiting).every(({ result }) => result !== "sent");
  });
}
