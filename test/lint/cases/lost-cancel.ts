/** `lost-cancel`. A line that must be reported says so: `// ! RULE MESSAGE`. All other lines are valid. */
import process from "node:process";
import { context, type CancelFunc, type Context, go, time } from "headgate";
import * as contexts from "headgate/context";
import { withCancelCause } from "headgate/context";
import { notifyContext, shutdown } from "headgate/signal";

export async function discarded(parent: Context) {
  const [ctx] = context.withCancel(parent); // ! lost-cancel discarded
  await time.sleep(1, ctx);
  const [second, , third] = shutdown(parent); // ok: it has the third
  third();
  const [stop, abort] = shutdown(parent); // ! lost-cancel discarded
  await time.sleep(1, stop);
  await time.sleep(1, abort);
  await time.sleep(1, context.withTimeout(parent, 5)[0]); // ! lost-cancel discarded
  context.withTimeout(parent, 5); // ! lost-cancel discarded
  context.withTimeout(parent, 5)[1]();
  let later: Context;
  [later] = context.withTimeout(parent, 5); // ! lost-cancel discarded
  const [named, ...rest] = context.withTimeout(parent, 5);
  const pair = context.withTimeout(parent, 5);
  return [second, later, named, rest, pair];
}

export async function makers(parent: Context, signal: AbortSignal) {
  const [a] = context.from(signal); // ! lost-cancel discarded
  const [b] = context.merge(parent, a); // ! lost-cancel discarded
  const [c] = contexts.withDeadline(b, 5); // ! lost-cancel discarded
  const [d] = withCancelCause(c); // ! lost-cancel discarded
  const [e] = context.withSignal(d, signal); // ! lost-cancel discarded
  const [f] = notifyContext(e, "SIGTERM"); // ! lost-cancel discarded
  const value = context.withValue(f, context.key<string>("key"), "value");
  return context.withoutCancel(value);
}

export async function unused(parent: Context) {
  const [ctx, cancel] = context.withTimeout(parent, 5); // ! lost-cancel unused
  const [other, _] = context.withCancel(parent); // ! lost-cancel unused
  return [ctx, other];
}

export function onSomePaths(parent: Context, a: boolean) {
  const [ctx, cancel] = context.withTimeout(parent, 5); // ! lost-cancel returned
  if (a) return ctx.err();
  cancel();
  return undefined;
}

export function inSomeCases(parent: Context, a: number) {
  const [ctx, cancel] = context.withCancel(parent); // ! lost-cancel returned
  switch (a) {
    case 1:
      cancel();
      break;
    case 2:
      return ctx;
  }
  return undefined;
}

export function atTheEnd(parent: Context, a: boolean) {
  const [ctx, cancel] = context.withCancel(parent); // ! lost-cancel ended
  if (a) go(() => time.sleep(1, ctx).then(cancel));
}

export const inAnArrow = (parent: Context, a: boolean) => {
  const [ctx, cancel] = context.withCancel(parent); // ! lost-cancel ended
  a && cancel();
  process.stdout.write(String(ctx));
};

export class Job {
  private readonly work = (parent: Context, a: boolean) => {
    const [ctx, cancel] = context.withCancel(parent); // ! lost-cancel returned
    if (a) return this.work(ctx, false);
    return cancel();
  };
}

export async function used(parent: Context, a: boolean) {
  const [ctx, cancel] = context.withTimeout(parent, 5);
  using _ = cancel;
  if (a) return;
  await time.sleep(1, ctx);
}

export async function inFinally(parent: Context, a: boolean) {
  const [ctx, cancel] = context.withTimeout(parent, 5);
  try {
    if (a) return 1;
    await time.sleep(1, ctx);
  } finally {
    cancel();
  }
  return 2;
}

/** A `break` and a `continue` pass through each `finally` between them and what they leave. */
export async function leftByAJump(parent: Context, items: number[], a: boolean) {
  for (const item of items) {
    const [ctx, cancel] = context.withTimeout(parent, 5);
    try {
      if (item === 1) continue;
      if (item === 2) break;
      if (item === 3) return;
      await time.sleep(1, ctx);
    } catch {
      if (a) continue;
      break;
    } finally {
      cancel();
    }
  }
  while (a) {
    const [ctx, cancel] = context.withTimeout(parent, 5);
    try {
      try {
        await time.sleep(1, ctx);
        continue;
      } finally {
        process.stdout.write("inner");
      }
    } finally {
      cancel();
    }
  }
}

export async function leftByALabel(parent: Context, rows: number[][]) {
  outer: for (const row of rows) {
    for (const item of row) {
      const [ctx, cancel] = context.withTimeout(parent, 5);
      try {
        switch (item) {
          case 1:
            continue;
          case 2:
            continue outer;
          case 3:
            break outer;
          case 4:
            break;
          default:
            await time.sleep(1, ctx);
        }
      } finally {
        cancel();
      }
    }
  }
  block: {
    const [ctx, cancel] = context.withTimeout(parent, 5);
    try {
      if (rows.length > 0) break block;
      await time.sleep(1, ctx);
    } finally {
      cancel();
    }
  }
}

export async function finallyOfSomePaths(parent: Context, items: number[]) {
  for (const item of items) {
    const [ctx, cancel] = context.withTimeout(parent, 5); // ! lost-cancel ended
    try {
      if (item === 1) continue;
      await time.sleep(1, ctx);
      cancel();
    } finally {
      if (item === 2) cancel();
    }
  }
}

export async function jumpsPastNoFinally(parent: Context, items: number[]) {
  for (const item of items) {
    const [first, cancelFirst] = context.withTimeout(parent, 5); // ! lost-cancel ended
    if (item === 1) continue;
    try {
      await time.sleep(1, first);
    } finally {
      cancelFirst();
    }
  }
  for (const item of items) {
    const [second, cancelSecond] = context.withTimeout(parent, 5); // ! lost-cancel ended
    try {
      await time.sleep(1, second);
      if (item === 1) break;
    } finally {
      process.stdout.write("no use of it");
    }
    cancelSecond();
  }
  const [third, cancelThird] = context.withTimeout(parent, 5); // ! lost-cancel ended
  try {
    for (const item of items) {
      if (item === 1) break;
      await time.sleep(1, third);
    }
  } finally {
    for (const item of items) {
      if (item === 1) break;
      cancelThird();
    }
  }
}

export async function keptAsATuple(parent: Context) {
  const first = context.withCancel(parent); // ! lost-cancel discarded
  const second = context.withCancel(first[0]); // ! lost-cancel discarded
  const [ctx] = second;
  const third = context.withCancel(ctx);
  third[1]();
  const fourth = context.withCancel(ctx);
  const [, cancel] = fourth;
  const fifth = context.withCancel(ctx);
  let sixth = context.withCancel(ctx); // ! lost-cancel discarded
  sixth = context.withCancel(sixth[0]);
  return { cancel, stop: () => fifth[1]() };
}

export function handedOn(parent: Context) {
  const [ctx, cancel] = context.withTimeout(parent, 5);
  return [ctx, cancel];
}

export function inAClosure(parent: Context) {
  const [ctx, cancel] = context.withCancel(parent);
  go(async () => {
    await time.sleep(1, ctx);
    cancel();
  });
  return ctx;
}

export function inAFunctionBelow(parent: Context) {
  const [ctx, cancel] = context.withCancel(parent);
  return { ctx, stop };
  function stop(): void {
    cancel();
  }
}

export function onEachPath(parent: Context, a: boolean) {
  const [ctx, cancel] = context.withCancel(parent);
  if (a) {
    cancel();
    return undefined;
  }
  return { ctx, stop: cancel };
}

export function thrown(parent: Context, a: boolean) {
  const [ctx, cancel] = context.withCancel(parent);
  if (a) throw new Error("a path that throws is not looked at");
  cancel();
  return ctx;
}

export function endless(parent: Context) {
  const [ctx, cancel] = context.withCancel(parent);
  for (;;) {
    if (ctx.err() !== undefined) {
      cancel();
      return;
    }
  }
}

export function shadowed(parent: Context) {
  const context = { withCancel: (_: Context): [Context, CancelFunc] => contexts.withCancel(parent) };
  const [ctx] = context.withCancel(parent);
  return ctx;
}

// What is made at the top of a module may live as long as the program.
const [top, stopTop] = context.withCancel(context.background());
const [stop, abort] = shutdown(top);
export { abort, stop };
export const later = () => {
  const [ctx] = context.withTimeout(stop, 5); // ! lost-cancel discarded
  return ctx;
};
