/** Solution 2: the sender closes the channel, however it ends. */
import type { Chan } from "headgate";

export async function pull(next: () => Promise<string | undefined>, messages: Chan<string>): Promise<void> {
  try {
    for (;;) {
      const message = await next();
      if (message === undefined) return;
      await messages.send(message);
    }
  } finally {
    messages.close();
  }
}
