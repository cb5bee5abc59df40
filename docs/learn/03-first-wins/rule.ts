/** The rule of chapter 3: a message is handled, or it is left for the next task. */
import { Chan, type Context, go, time } from "headgate";
import type { Bubble } from "headgate/testing";

export const losesNothing =
  (handle: (ctx: Context, messages: Chan<string>, log: (line: string) => void) => Promise<void>) =>
  async (t: Bubble): Promise<void> => {
    const messages = t.name(new Chan<string>(), "messages");
    go(async function pull() {
      for (const message of ["m1", "m2", "m3"]) {
        await time.sleep(10);
        await messages.send(message);
      }
      messages.close();
    });
    const log: string[] = [];
    await handle(t.ctx, messages, (line) => log.push(line));
    for await (const message of messages) log.push(`${message} is left`);
    if (log.length < 3) throw new Error(`a message is lost: ${log.join(", ")}`);
  };
