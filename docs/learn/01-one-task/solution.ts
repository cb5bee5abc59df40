/** Solution 1: a child with a deadline, and its cancel in a `finally`. */
import { context, type Context } from "headgate";

export async function ask(ctx: Context, ms: number, server: (ctx: Context) => Promise<string>): Promise<string> {
  const [limited, cancel] = context.withTimeout(ctx, ms); // a child: it ends with ctx, too
  try {
    return await server(limited);
  } finally {
    cancel(); // the answer is here: the timer is not needed any more
  }
}
