/**
 * What a bug of the catalogue is, and the broker that several of them talk to.
 */
import { strict as assert } from "node:assert";
import { Chan, context, type Context, time } from "headgate";
import type { Bubble } from "headgate/testing";

/** A bug, and the same program without it. */
export interface Bug {
  readonly name: string;
  /** What goes wrong, in a sentence or two. */
  readonly story: string;
  /** The program, as a scenario for `explore`: as it was written first, or as it should have been. */
  readonly scenario: (fixed: boolean) => (t: Bubble) => Promise<void>;
}

/** For `catch`: that a cancelled program ends with the cancel is no failure. */
export function unlessCancelled(error: unknown): void {
  if (!(error instanceof context.Canceled)) throw error;
}

/**
 * A broker as small as can be. Every message that was pulled must be settled, once; and acked, if it was handled. To
 * settle one takes a request of a millisecond, which fails if its ctx ends first.
 */
export class Broker {
  private readonly queue: Chan<string>;
  private readonly settled: Map<string, string[]> = new Map();
  private readonly done: Set<string> = new Set();

  constructor(...ids: readonly string[]) {
    this.queue = new Chan(ids.length);
    for (const id of ids) this.queue.trySend(id);
  }

  /** No more messages will come. */
  end(): this {
    this.queue.close();
    return this;
  }

  /** Waits for the next message; undefined: there will be none. */
  async pull(ctx: Context): Promise<string | undefined> {
    const [id] = await this.queue.recv(ctx);
    if (id !== undefined) this.settled.set(id, []);
    return id;
  }

  /** Takes note that the message has been handled: from now on, only an ack will do. */
  handled(id: string): void {
    this.done.add(id);
  }

  async ack(id: string, ctx?: Context): Promise<void> {
    await time.sleep(1, ctx);
    this.settled.get(id)!.push("ack");
  }

  /** Gives a message back. */
  async nack(id: string, ctx?: Context): Promise<void> {
    await time.sleep(1, ctx);
    this.settled.get(id)!.push("nack");
  }

  /** Balances the account. */
  check(): void {
    for (const [id, verdicts] of this.settled) {
      const was = this.done.has(id) ? "handled" : "pulled";
      assert(verdicts.length > 0, `${id} was ${was} and never settled`);
      assert(verdicts.length === 1, `${id} was settled ${verdicts.length} times: ${verdicts.join(", ")}`);
      assert(was === "pulled" || verdicts[0] === "ack", `${id} was handled and given back`);
    }
  }
}
