/**
 * What the types of channels allow and what they forbid (H17): checked by the compiler, never run.
 */
import { Chan, type Context, go, nil, type Recv, type RecvChan, select, type SendChan, sending } from "headgate";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Expect<T extends true> = T;

interface Animal {
  name: string;
}
interface Dog extends Animal {
  bark(): void;
}

/** Directions: a channel becomes a half of itself and never comes back; each half does only its own. */
export async function directions(
  both: Chan<number>,
  receiveOnly: RecvChan<number>,
  sendOnly: SendChan<number>,
  n: number,
) {
  receiveOnly = both;
  sendOnly = both;
  // @ts-expect-error: a half is not the whole
  both = receiveOnly;
  // @ts-expect-error: a half is not the whole
  both = sendOnly;
  // @ts-expect-error: nor the other half
  receiveOnly = sendOnly;
  // @ts-expect-error: nor the other half
  sendOnly = receiveOnly;

  await both.send(0);
  await both.recv();
  both.trySend(0);
  both.tryRecv();
  // @ts-expect-error: a number is no channel
  await n.recv();
  // @ts-expect-error: a number is no channel
  await n.send(2);

  await receiveOnly.recv();
  receiveOnly.tryRecv();
  // @ts-expect-error: no sending here
  await receiveOnly.send(0);
  // @ts-expect-error: no sending here
  receiveOnly.trySend(0);

  await sendOnly.send(0);
  sendOnly.trySend(0);
  // @ts-expect-error: no receiving here
  await sendOnly.recv();
  // @ts-expect-error: no receiving here
  sendOnly.tryRecv();
  // @ts-expect-error: no receiving here
  sendOnly.values();

  await select({ out: sending(both, 0), in: both });
  await select({ out: sending(sendOnly, 0), in: receiveOnly });
  // @ts-expect-error: no sending here
  await select({ out: sending(receiveOnly, 0), in: both });
  // @ts-expect-error: no receiving here
  await select({ out: sending(both, 0), in: sendOnly });

  for await (const value of both) value satisfies number;
  for await (const value of receiveOnly) value satisfies number;
  // @ts-expect-error: no receiving here
  // oxlint-disable-next-line typescript/await-thenable
  for await (const value of sendOnly) void value;

  both.close();
  sendOnly.close();
  // @ts-expect-error: closing is for senders
  receiveOnly.close();
  // @ts-expect-error: a number is no channel
  n.close();
}

/** Variance: what receives may be read as more general, what sends as more special, and a whole channel as neither. */
export function variance(animals: Chan<Animal>, dogs: Chan<Dog>) {
  const someAnimals: RecvChan<Animal> = dogs;
  const takesDogs: SendChan<Dog> = animals;
  // @ts-expect-error: not every animal is a dog
  const someDogs: RecvChan<Dog> = animals;
  // @ts-expect-error: who may send any animal would send a cat to the dogs
  const takesAnimals: SendChan<Animal> = dogs;
  // @ts-expect-error: a whole channel receives
  const asDogs: Chan<Dog> = animals;
  // @ts-expect-error: and sends
  const asAnimals: Chan<Animal> = dogs;

  const general: RecvChan<unknown> = someAnimals;
  const special: SendChan<never> = takesDogs;
  // @ts-expect-error: the halves are checked as strictly
  const backToDogs: RecvChan<Dog> = someAnimals;
  // @ts-expect-error: the halves are checked as strictly
  const backToAnimals: SendChan<Animal> = takesDogs;
  return [someDogs, takesAnimals, asDogs, asAnimals, general, special, backToDogs, backToAnimals];
}

/** nil stands for either half of a channel of any type. */
export function nilFits(): [RecvChan<Dog>, SendChan<Dog>, RecvChan<never>, SendChan<unknown>] {
  nil.trySend("anything");
  nil.tryRecv() satisfies Recv<never> | undefined;
  return [nil, nil, nil, nil];
}

/** The pair of a receive is told apart by its second half. */
export async function narrowing(ch: RecvChan<Dog>) {
  const [value, ok] = await ch.recv();
  if (ok) value.bark();
  else value satisfies undefined;
  // @ts-expect-error: there may be no value
  value.bark();

  const polled = ch.tryRecv();
  // @ts-expect-error: it may have to wait
  void polled[0];
  if (polled?.[1]) polled[0].bark();
  if (polled === undefined) return;
  // @ts-expect-error: there may be no value
  polled[0].bark();
  // @ts-expect-error: a result is not to be changed
  polled[1] = false;
}

/** Values and arguments. */
export async function use(ch: Chan<string>, ctx: Context) {
  await ch.send("a", ctx);
  await ch.recv(ctx);
  for await (const value of ch.values(ctx)) value.toUpperCase();
  await new Chan<void>(1).send();
  await new Chan<Promise<number>>().send(Promise.resolve(1));

  // @ts-expect-error: of another type
  await ch.send(1);
  // @ts-expect-error: of another type
  ch.trySend(undefined);
  // @ts-expect-error: the value is missing
  await ch.send();
  // @ts-expect-error: a signal is no Context
  await ch.recv(new AbortController().signal);
  // @ts-expect-error: nor is a number of milliseconds
  await ch.send("a", 100);
  // @ts-expect-error: nor null
  await ch.recv(null);
  // @ts-expect-error: a capacity is a number
  new Chan<string>("3");
  // @ts-expect-error: fixed for good
  ch.capacity = 3;
  // @ts-expect-error: read, not set
  ch.length = 0;
  // @ts-expect-error: nothing is sent on the channel of a context
  ctx.done().send(1);
  // @ts-expect-error: and it is not closed by whoever waits on it
  ctx.done().close();

  go(() => 1);
  go(async () => {});
  // @ts-expect-error: the function itself, not its result
  go(use(ch, ctx));
  // @ts-expect-error: it is given no arguments
  go((n: number) => n);
}

const untyped = /* @__PURE__ */ new Chan();

export type Checks = [
  Expect<Equal<typeof untyped, Chan<unknown>>>,
  Expect<Equal<Awaited<ReturnType<Chan<Dog>["recv"]>>, Recv<Dog>>>,
  Expect<Equal<ReturnType<Chan<Dog>["tryRecv"]>, Recv<Dog> | undefined>>,
  Expect<Equal<ReturnType<Chan<Dog>["send"]>, Promise<void>>>,
  Expect<Equal<ReturnType<Chan<Dog>["trySend"]>, boolean>>,
  Expect<Equal<ReturnType<Chan<Dog>["close"]>, void>>,
  Expect<Equal<ReturnType<Chan<Dog>["values"]>, AsyncIterableIterator<Dog>>>,
  Expect<Equal<Recv<Dog>, readonly [value: Dog, ok: true] | readonly [value: undefined, ok: false]>>,
  Expect<Equal<ReturnType<Context["done"]>, RecvChan<never>>>,
  Expect<Equal<typeof nil, SendChan<unknown> & RecvChan<never>>>,
  Expect<Equal<ReturnType<typeof go>, void>>,
];
