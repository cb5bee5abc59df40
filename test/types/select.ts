/**
 * What the types of a select allow, what they forbid, and what its result is known to be: checked by the compiler,
 * never run.
 */
import {
  type Cases,
  Chan,
  type Context,
  nil,
  type RecvChan,
  select,
  type Selected,
  type SendCase,
  sending,
} from "headgate";
import { type SendChan, time, trySelect } from "headgate";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Expect<T extends true> = T;

interface Got<K, T> {
  readonly case: K;
  readonly value: T;
  readonly ok: true;
}
interface Closed<K> {
  readonly case: K;
  readonly value: undefined;
  readonly ok: false;
}
interface Sent<K> {
  readonly case: K;
}

/** Whether two unions have the same members, however they are written. */
type Same<A, B> = [A, B] extends [B, A] ? true : false;

/** The loop that everything is made for: each case knows what it brings, and none may be forgotten. */
export async function worker(ctx: Context, jobs: RecvChan<string>, results: SendChan<number>) {
  for (;;) {
    const got = await select({ done: ctx.done(), job: jobs, out: sending(results, 1), idle: time.after(100) });
    switch (got.case) {
      case "done":
        got.ok satisfies false;
        got.value satisfies undefined;
        throw ctx.err();
      case "job":
        // @ts-expect-error: the channel may have been closed
        got.value.toUpperCase();
        if (!got.ok) return got.value satisfies undefined;
        got.value.toUpperCase();
        break;
      case "out":
        // @ts-expect-error: a send brings no value
        void got.value;
        // @ts-expect-error: and no ok
        void got.ok;
        break;
      case "idle":
        if (got.ok) got.value satisfies Date;
        break;
      // @ts-expect-error: there is no such case
      case "idel":
        break;
      default:
        got satisfies never;
    }
  }
}

/** A case that has been forgotten breaks the build. */
export async function forgotten(a: RecvChan<string>, b: RecvChan<number>, c: RecvChan<Date>) {
  const got = await select({ a, b, c });
  switch (got.case) {
    case "a":
    case "b":
      return got.value satisfies string | number | undefined;
    default:
      // @ts-expect-error: c is still possible
      got satisfies never;
      return got.value satisfies Date | undefined;
  }
}

/** Before the case is known, only `case` can be read where a send is among them. */
export function undecided(a: RecvChan<string>, b: SendChan<number>) {
  const got = trySelect({ a, b: sending(b, 1) });
  // @ts-expect-error: nothing may be ready
  void got.case;
  if (got === undefined) return;
  got.case satisfies "a" | "b";
  // @ts-expect-error: it may have been the send
  void got.value;
}

/** What can be sent. */
export function sends(ch: Chan<string>, half: SendChan<"a" | "b">, none: SendChan<string> | null) {
  sending(ch, "x") satisfies SendCase;
  sending(half, "a");
  sending(none, "x");
  sending(nil, { any: "thing" });
  sending(null, 1);
  sending(undefined, 1);
  // @ts-expect-error: of another type
  sending(ch, 1);
  // @ts-expect-error: the value does not widen the channel
  sending(half, "c");
  // @ts-expect-error: of another type, nil or not
  sending(none, 1);
  // @ts-expect-error: the value is missing
  sending(ch);
  // @ts-expect-error: a receive-only channel
  sending(ch as RecvChan<string>, "x");
  // @ts-expect-error: no channel at all
  sending("ch", "x");
}

/** What is no case, and no list of cases. */
export async function wrong(ch: Chan<string>, sendOnly: SendChan<string>, signal: AbortSignal) {
  // @ts-expect-error: a promise is not a case
  await select({ ch, wrong: ch.recv() });
  // @ts-expect-error: nor is a send that has been started
  await select([ch.send("x")]);
  // @ts-expect-error: nor a channel that only sends
  await select({ wrong: sendOnly });
  // @ts-expect-error: nor an object that looks like a send case
  await select({ wrong: { ch, value: "x" } });
  // @ts-expect-error: nor a function
  trySelect({ wrong: () => ch });
  // @ts-expect-error: cases come in an object or a list
  await select(ch);
  // @ts-expect-error: cases come in an object or a list
  await select();
  // @ts-expect-error: a signal is no Context
  await select({ ch }, signal);
  // @ts-expect-error: trySelect does not wait and takes no Context
  trySelect({ ch }, undefined);
}

/** The results of records, tuples and lists, as the calls infer them. */
export async function inferred(
  a: RecvChan<string>,
  b: Chan<number>,
  list: RecvChan<string>[],
  all: Record<string, Chan<Date>>,
) {
  const record = await select({ a, b, out: sending(b, 1) });
  const tuple = await select([a, null, sending(b, 1), b]);
  const plain = await select(list);
  const dynamic = await select(all);
  const polled = trySelect({ a });
  const optional = await select({ a: a as RecvChan<string> | null, b: undefined as Chan<number> | undefined });
  const nothing = await select({});
  return { record, tuple, plain, dynamic, polled, optional, nothing };
}
type Inferred = Awaited<ReturnType<typeof inferred>>;

/** A case that is nil for good does not turn up in the result. */
export async function vanished(a: RecvChan<string>) {
  return { none: await select({ a, off: null, none: undefined }), nil: await select({ a, off: nil }) };
}
type Vanished = Awaited<ReturnType<typeof vanished>>;

/** The names of an object's cases are strings when the program runs, also those written as numbers. */
export async function numbered(a: RecvChan<string>) {
  return await select({ 1: a, 2: sending(nil, 0) });
}
type Numbered = Awaited<ReturnType<typeof numbered>>;

export type Checks = [
  Expect<Same<Inferred["record"], Got<"a", string> | Closed<"a"> | Got<"b", number> | Closed<"b"> | Sent<"out">>>,
  Expect<Same<Inferred["tuple"], Got<0, string> | Closed<0> | Sent<2> | Got<3, number> | Closed<3>>>,
  Expect<Same<Inferred["plain"], Got<number, string> | Closed<number>>>,
  Expect<Same<Inferred["dynamic"], Got<string, Date> | Closed<string>>>,
  Expect<Same<Inferred["polled"], Got<"a", string> | Closed<"a"> | undefined>>,
  Expect<Same<Inferred["optional"], Got<"a", string> | Closed<"a"> | Got<"b", number> | Closed<"b">>>,
  Expect<Equal<Inferred["nothing"], never>>,
  Expect<Same<Vanished["none"], Got<"a", string> | Closed<"a">>>,
  Expect<Same<Vanished["nil"], Got<"a", string> | Closed<"a">>>,
  Expect<Equal<Numbered["case"], "1" | "2">>,
  Expect<Same<Selected<{ done: RecvChan<never> }>, Closed<"done">>>,
  Expect<Same<Selected<{ any: Chan<any> }>, Got<"any", any> | Closed<"any">>>,
  Expect<Same<Selected<readonly [SendCase, RecvChan<Date>]>, Sent<0> | Got<1, Date> | Closed<1>>>,
  Expect<Equal<Selected<Cases>["case"], string | number>>,
];
