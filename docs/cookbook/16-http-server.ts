/**
 * A server that stops in order: no new connection, the rest is answered, and then it is over.
 */
// #region recipe
import type { Server } from "node:http";
import { Chan, type Context, select, time } from "headgate";

/** `stop` and `abort` are those of `shutdown(context.background())`, of headgate/signal. */
export async function stopped(
  server: Server,
  stop: Context,
  abort: Context,
  grace: number,
): Promise<void> {
  await stop.done().recv(); // the first SIGTERM
  const closed = new Chan<never>();
  server.close(() => closed.close()); // no new connection; calls back when the last one has ended
  const got = await select({ closed, late: time.after(grace), abort: abort.done() });
  if (got.case === "closed") return;
  server.closeAllConnections(); // too late, or a second SIGTERM
  await closed.recv();
}
// #endregion

import { context, go } from "headgate";

export const prints = ["stopped", "dropped", "stopped"];

export async function demo(ctx: Context, log: (text: unknown) => void): Promise<void> {
  for (const answerTime of [50, 5_000]) {
    const [stop, cancel] = context.withCancel(ctx);
    go(() => time.sleep(10, ctx).then(cancel, cancel));
    // oxlint-disable-next-line headgate/background -- the server ends by a call alone
    const [dropped, drop] = context.withCancel(context.background());
    let callback: () => void = () => {};
    const server = {
      close: (closed: () => void) => {
        callback = closed;
        go(async () => {
          await time.sleep(answerTime, dropped).catch(() => {});
          if (dropped.err() === undefined) closed();
        });
      },
      closeAllConnections: () => {
        log("dropped");
        drop();
        callback();
      },
    };
    // oxlint-disable-next-line headgate/background -- no second signal comes
    await stopped(server as unknown as Server, stop, context.background(), 1_000);
    drop();
    log("stopped");
  }
}
