/**
 * The events of an emitter as a channel.
 */
// #region recipe
import type { EventEmitter } from "node:events";
import { Chan, context, type Context, type RecvChan } from "headgate";

/** The events until ctx ends, which closes the channel. If `capacity` wait, one more is dropped. */
export function eventsOf<T>(
  ctx: Context,
  emitter: EventEmitter,
  name: string,
  capacity: number,
): RecvChan<T> {
  const events = new Chan<T>(capacity);
  const listener = (event: T): void => void events.trySend(event);
  emitter.on(name, listener);
  context.afterFunc(ctx, () => {
    emitter.off(name, listener);
    events.close();
  });
  return events;
}
// #endregion

import { EventEmitter as Emitter } from "node:events";
import { time } from "headgate";

export const prints = ["seen 1 2 3", "0 listeners"];

export async function demo(parent: Context, log: (text: unknown) => void): Promise<void> {
  const emitter = new Emitter();
  const [ctx, cancel] = context.withCancel(parent);
  using _ = cancel;
  const events = eventsOf<number>(ctx, emitter, "change", 3);
  for (const n of [1, 2, 3, 4]) emitter.emit("change", n);
  await time.sleep(10, parent);
  cancel();
  const seen: number[] = [];
  for await (const n of events) seen.push(n); // those in the buffer are still there
  log(`seen ${seen.join(" ")}`);
  if (emitter.listenerCount("change") !== 0) throw new Error("the listener is still there");
  log("0 listeners");
}
