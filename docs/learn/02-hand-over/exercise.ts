/**
 * Exercise 2: the receiver of these messages waits for ever. Let it end, also if `next` throws.
 *
 * `next` returns undefined when there are no more messages. The receiver is `for await (const message of messages)`.
 */
import type { Chan } from "headgate";

export async function pull(next: () => Promise<string | undefined>, messages: Chan<string>): Promise<void> {
  for (;;) {
    const message = await next();
    if (message === undefined) return;
    await messages.send(message);
  }
}
