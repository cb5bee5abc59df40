import { type Chan, context, type Context, errgroup, time } from "headgate";

export async function derives(ctx: Context, ch: Chan<number>) {
  const [own, cancel] = context.withTimeout(context.background(), 5); // ! background background
  using _ = cancel;
  await ch.recv(own);
  await ch.recv(context.todo()); // ! background background
  // eslint-disable-next-line headgate/background -- each linter takes this comment
  await ch.recv(context.todo());
  const [mine, end] = context.withTimeout(context.withoutCancel(ctx), 5);
  using __ = end;
  await ch.recv(mine);
  time.afterFunc(5, () => ch.recv(context.background())); // ! background background
}

export function defaults(ctx?: Context, other: Context = context.background()) {
  return [ctx ?? context.background(), ctx === undefined ? context.background() : ctx, other];
}

export async function begins(ch: Chan<number>, _ctx: Context) {
  const [ctx, cancel] = context.withCancel(context.background());
  const [other, end] = context.withCancel(context.background());
  using _ = cancel;
  using __ = end;
  await ch.recv(ctx);
  await ch.recv(other);
}

export const tasks = () =>
  errgroup.run(context.background(), (group) => {
    void group.go((mine) => errgroup.run(context.background(), () => mine.err())); // ! background background
  });
