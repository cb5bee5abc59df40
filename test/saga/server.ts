/**
 * A server as a saga needs it, on a network as bad as it gets: a call that has left arrives, whether its caller still waits or not, and
 * an undo may overtake it. So the server keeps a fence: undoing what it does not know succeeds, and is remembered.
 */
import { type Context, time } from "headgate";

/** One way, in virtual ms: calls are slower than undos. */
const LATENCY = { call: 3, undo: 1, reply: 1 };

export class Server {
  readonly applied: Set<string> = new Set();
  private readonly undone: Set<string> = new Set();
  private readonly underway: Set<time.Timer> = new Set();

  /** Resolves when the call is applied and the reply has come. Rejects if the key was undone before. */
  async call(ctx: Context, key: string): Promise<void> {
    let isRefused = false;
    this.send(LATENCY.call, () => {
      isRefused = this.undone.has(key);
      if (!isRefused) this.applied.add(key);
    });
    await time.sleep(LATENCY.call + LATENCY.reply, ctx);
    if (isRefused) throw new Error(`${key} was undone before`);
  }

  async undo(ctx: Context, key: string): Promise<void> {
    this.send(LATENCY.undo, () => {
      this.undone.add(key);
      this.applied.delete(key);
    });
    await time.sleep(LATENCY.undo + LATENCY.reply, ctx);
  }

  private send(ms: number, arrive: () => void): void {
    const timer = time.afterFunc(ms, () => {
      this.underway.delete(timer);
      arrive();
    });
    this.underway.add(timer);
  }
}
