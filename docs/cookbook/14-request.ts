/**
 * The context of a request, in node:http and in handlers of the fetch kind.
 */
// #region recipe
import type { ServerResponse } from "node:http";
import { context, type Context } from "headgate";

/** In node:http: ends when the answer is sent, when the client leaves, or with `life`. */
export function contextOf(life: Context, response: ServerResponse): Context {
  const [ctx, cancel] = context.withCancelCause(life);
  const why = () => (response.writableFinished ? "answered" : "the client has left");
  response.once("close", () => cancel(why()));
  return ctx;
}

type Answer = (ctx: Context) => Promise<string>;

/** In Deno, Bun, Workers, and frameworks with `(request) => response`. */
export async function handled(life: Context, request: Request, answer: Answer) {
  const [ctx, cancel] = context.withSignal(life, request.signal);
  using _ = cancel;
  return new Response(await answer(ctx)); // a stream would outlive ctx: see borders.md
}
// #endregion

import { IncomingMessage, ServerResponse as Reply } from "node:http";
import { Socket } from "node:net";
import { time } from "headgate";

export const prints = ["the client has left", "hello", "the client has left"];

export async function demo(life: Context, log: (text: unknown) => void): Promise<void> {
  const response = new Reply(new IncomingMessage(new Socket()));
  const ctx = contextOf(life, response);
  try {
    await time.sleep(10, ctx).then(() => response.emit("close"));
    log(context.cause(ctx));
  } finally {
    response.emit("close");
  }

  const client = new AbortController();
  const request = (): Request => new Request("http://localhost/", { signal: client.signal });
  const hello = async (ctx: Context): Promise<string> => {
    await time.sleep(10, ctx);
    return "hello";
  };
  log(await (await handled(life, request(), hello)).text());
  client.abort("the client has left");
  await handled(life, request(), hello).catch((error: unknown) => {
    if (!(error instanceof context.Canceled) || life.err() !== undefined) throw error;
    log(error.cause);
  });
}
