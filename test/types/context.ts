/**
 * Types of package context: what must compile, and what must not. Checked by the compiler alone, never run.
 */
import {
  type CancelCauseFunc,
  type CancelFunc,
  Chan,
  context,
  type Context,
  type Key,
  nil,
  type RecvChan,
} from "headgate";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(..._: Equal<A, B> extends true ? [] : ["types differ"]): void {}

declare const ctx: Context;

export function keysTieTheTypeOfTheirValues(): void {
  interface User {
    name: string;
  }
  const user = context.key<User>("user");
  const count = context.key<number>("count");
  same<typeof user, Key<User>>();

  const derived = context.withValue(ctx, user, { name: "ada" });
  const found = derived.value(user);
  same<typeof found, User | undefined>();
  same<typeof derived, Context>();
  context.withValue(ctx, count, 0);

  // @ts-expect-error the value is no User
  context.withValue(ctx, user, "ada");
  // @ts-expect-error nor is it a number
  context.withValue(ctx, count, "0");
  // @ts-expect-error it may be undefined
  void derived.value(user).name;
  // @ts-expect-error undefined is a value only of a key that says so
  context.withValue(ctx, count, undefined);
  context.withValue(ctx, context.key<number | undefined>("maybe"), undefined);
  // @ts-expect-error a string is no key
  context.withValue(ctx, "user", { name: "ada" });
  // @ts-expect-error nor can it be asked for
  ctx.value("user");
  // @ts-expect-error keys are invariant: one that holds more would let a plain value in
  const wider: Key<string | number> = context.key<number>("n");
  // @ts-expect-error in both directions
  const narrower: Key<number> = context.key<string | number>("n");
  void [wider, narrower];

  const grace = ctx.value(context.lifetime);
  same<typeof grace, Context | undefined>();
  // @ts-expect-error a key has a description
  context.key<number>();
}

export function cancelFunctions(): void {
  const [derived, cancel] = context.withCancel(ctx);
  same<typeof derived, Context>();
  same<typeof cancel, CancelFunc>();
  cancel();
  // @ts-expect-error it takes nothing
  cancel("why");
  const disposable: Disposable = cancel;
  const callback: () => void = cancel;
  setTimeout(cancel, 5);
  void [disposable, callback];

  const [, cancelCause] = context.withCancelCause(ctx);
  same<typeof cancelCause, CancelCauseFunc>();
  same<Parameters<typeof cancelCause>, [cause?: unknown]>();
  cancelCause();
  cancelCause(new Error("why"));
  cancelCause(0);
  cancelCause(null);
  const plain: CancelFunc = cancelCause;
  void plain;
  // @ts-expect-error the result of a constructor is read-only
  context.withCancel(ctx)[0] = ctx;
}

export function usingCallsCancel(): void {
  const [, cancel] = context.withTimeout(ctx, 5);
  using _ = cancel;
  const [, cancelCause] = context.withCancelCause(ctx);
  using _cause = cancelCause;
  const [, stop] = context.withSignal(ctx, new AbortController().signal);
  using _stop = stop;
}

export async function doneYieldsNothing(): Promise<void> {
  const done = ctx.done();
  same<typeof done, RecvChan<never>>();
  const [value, ok] = await done.recv();
  same<typeof value, undefined>();
  if (ok) value satisfies never;
  for await (const each of done) each satisfies never;
  // @ts-expect-error nobody but its context closes it
  done.close();
  // @ts-expect-error nor sends on it
  await done.send(1);
}

export function errIsOneOfTwo(): void {
  const err = ctx.err();
  same<typeof err, context.Canceled | context.DeadlineExceeded | undefined>();
  if (err?.code === "TIMEOUT_ERR") same<typeof err, context.DeadlineExceeded>();
  if (err?.code === "ABORT_ERR") same<typeof err, context.Canceled>();
  const plain: Error | undefined = err;
  void plain;
  const why = context.cause(ctx);
  same<typeof why, unknown>();
  const at = ctx.deadline();
  same<typeof at, number | undefined>();
  // @ts-expect-error the signal is made by the context
  ctx.signal = new AbortController().signal;
}

export function deadlines(): void {
  context.withDeadline(ctx, Date.now());
  context.withDeadline(ctx, new Date());
  context.withDeadlineCause(ctx, new Date(), "late");
  context.withTimeoutCause(ctx, 5, undefined);
  // @ts-expect-error a text is no time
  context.withDeadline(ctx, "2000-01-01");
  // @ts-expect-error a Date is no duration
  context.withTimeout(ctx, new Date());
  // @ts-expect-error there is no default
  context.withTimeout(ctx);
  // @ts-expect-error the cause must be said, if only as undefined
  context.withTimeoutCause(ctx, 5);
}

export function signals(): void {
  context.withSignal(ctx, AbortSignal.timeout(5));
  context.withSignal(ctx, ctx.signal);
  // @ts-expect-error the controller is not the signal
  context.withSignal(ctx, new AbortController());
  // @ts-expect-error nor is a context
  context.withSignal(ctx, ctx);
  // @ts-expect-error a signal is no parent
  context.withCancel(AbortSignal.timeout(5));
}

export function afterFunc(): void {
  const stop = context.afterFunc(ctx, () => {});
  same<typeof stop, () => boolean>();
  context.afterFunc(ctx, () => "results are dropped");
  // @ts-expect-error it is not given anything
  context.afterFunc(ctx, (reason: string) => void reason);
  // @ts-expect-error a function is wanted
  context.afterFunc(ctx, "log");
  // @ts-expect-error always
  context.afterFunc(ctx);
}

export async function wait(): Promise<void> {
  const got = await context.wait(Promise.resolve(5), ctx);
  same<typeof got, number>();
  const thenable: PromiseLike<string> = Promise.resolve("x");
  const text = await context.wait(thenable);
  same<typeof text, string>();
  // @ts-expect-error a value is no promise
  await context.wait(5, ctx);
  // @ts-expect-error a signal is no context
  await context.wait(Promise.resolve(5), ctx.signal);
}

export function anyObjectOfTheShapeIsAContext(): void {
  context.withCancel({
    deadline: () => undefined,
    done: () => nil,
    err: () => undefined,
    value: () => undefined,
    signal: new AbortController().signal,
  });
  class Mine implements Context {
    readonly signal: AbortSignal = new AbortController().signal;
    deadline(): undefined {}
    done(): Chan<never> {
      return new Chan<never>();
    }
    err(): context.Canceled {
      return new context.Canceled();
    }
    value<T>(key: Key<T>): T | undefined {
      return ctx.value(key);
    }
  }
  void new Chan<number>().recv(new Mine());
  // @ts-expect-error a part of the shape is not enough
  context.withCancel({ done: () => nil, err: () => undefined });
  // @ts-expect-error null is no parent
  context.withCancel(null);
  // @ts-expect-error and there must be one
  context.withCancel();
}

// A value may be a literal of the key's type.
const role = context.key<{ readonly role: "admin" | "user" }>("role");
context.withValue(context.background(), role, { role: "admin" });
// @ts-expect-error The key says what its values are.
context.withValue(context.background(), role, { role: "root" });
