/**
 * A callback API, which knows no context.
 */
// #region recipe
import { context, type Context } from "headgate";

interface Connection {
  close(): void;
}
type Open = (
  name: string,
  callback: (error: Error | null, connection?: Connection) => void,
) => void;

export function opened(ctx: Context, open: Open, name: string): Promise<Connection> {
  const promise = new Promise<Connection>((resolve, reject) => {
    open(name, (error, connection) => {
      if (error !== null) reject(error);
      else resolve(connection!);
    });
  });
  // What comes too late is closed: the caller no longer waits for it.
  return context.wait(promise, ctx, (connection) => connection.close());
}
// #endregion

import { go, sync, time } from "headgate";

export const prints = ["opened", "closed"];

export async function demo(ctx: Context, log: (text: unknown) => void): Promise<void> {
  let [begun, live] = [0, 0];
  const wg = new sync.WaitGroup();
  const open: Open = (_, callback) => {
    begun++;
    wg.add(1);
    go(async () => {
      // oxlint-disable-next-line headgate/ctx-not-passed -- such an API knows of no ctx
      await time.sleep(10);
      live++;
      const close = (): void => {
        live--;
        wg.done();
      };
      callback(null, { close });
    });
  };
  const error: unknown = await opened(ctx, open, "db").then(
    (connection) => {
      log("opened");
      connection.close();
    },
    (error: unknown) => error,
  );
  await wg.wait(); // the old code is deaf, so it is waited for
  if (live !== 0 || begun !== 1) throw new Error("a connection is left open");
  if (error !== undefined) throw error;
  log("closed");
}
