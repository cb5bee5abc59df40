/**
 * What the types of the debugger promise: checked by the compiler, never run.
 */
import { Chan, type CancelFunc, type Context } from "headgate";
import * as debug from "headgate/debug";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Expect<T extends true> = T;

export type Returned = [
  Expect<Equal<ReturnType<typeof debug.watch>, Disposable>>,
  Expect<Equal<ReturnType<typeof debug.dump>, debug.Dump>>,
  Expect<Equal<ReturnType<typeof debug.leaks>, Promise<readonly debug.Leak[]>>>,
  Expect<Equal<ReturnType<typeof debug.profile>, debug.Profile>>,
  Expect<Equal<ReturnType<typeof debug.onSignal>, CancelFunc>>,
  Expect<Equal<ReturnType<typeof debug.onExit>, CancelFunc>>,
  Expect<Equal<debug.Leak["kind"], "wait" | "task" | "cancel">>,
  Expect<Equal<debug.Wait["age"], number | undefined>>,
  Expect<Equal<keyof debug.WatchOptions, "stacks" | "samples" | "tasks" | "sweep" | "onLeak">>,
];

export async function use(ctx: Context): Promise<void> {
  using _ = debug.watch({ stacks: Infinity, onLeak: ({ text, at }) => void [text, at] });
  const jobs: Chan<number> = debug.name(new Chan<number>(), "jobs");
  // @ts-expect-error a name is for an object
  debug.name(1, "one");
  // @ts-expect-error there is no such option
  debug.watch({ stack: 1 });
  const dump = debug.dump({ most: 10 });
  // @ts-expect-error it is a fact
  dump.waits = [];
  await debug.leaks(ctx);
  const { status, type, body } = await debug.respond("/waits", ctx);
  void [status, type, body, jobs];
}
