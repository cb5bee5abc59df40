/**
 * What a bug of the catalogue is, and the broker that several of them talk to.
 */
import { strict as assert } from "node:assert";
import { Chan, context, type Context, time } from "headgate";
import type { Bubble } from "headgate/testing";

/** A bug, and the same program without it. */
export interface Bug {
  readonly name: string;
  /** The fault, in two or three sentences. */
  readonly story: string;
  /** The program, as a scenario for `explore`: as it was written first, or as it should have been. */
  readonly scenario: (fixed: boolean) => (t: Bubble) => Promise<void>;
}

/** For `catch`: a cancelled program may end with the error of the cancel. */
export function unlessCancelled(error: unknown): void {
  if (!(error instanceof context.Canceled)) throw error;
}

/**
 * The smallest broker. Every pulled message must be settled once, and acked if it was handled. A settlement is a
 * request of a millisecond, which fails if its ctx ends first.
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

  /** Waits for the next message. It is undefined if no more will come. */
  async pull(ctx: Context): Promise<string | undefined> {
    const [id] = await this.queue.recv(ctx);
    if (id !== undefined) this.settled.set(id, []);
    return id;
  }

  /** Notes that the message has been handled. From now on it must be acked. */
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

  /** Throws if a message was not settled once, or was handled and not acked. */
  check(): void {
    for (const [id, verdicts] of this.settled) {
      const was = this.done.has(id) ? "handled" : "pulled";
      assert(verdicts.length > 0, `${id} was ${was} and never settled`);
      assert(verdicts.length === 1, `${id} was settled ${verdicts.length} times: ${verdicts.join(", ")}`);
      assert(was === "pulled" || verdicts[0] === "ack", `${id} was handled and given back`);
    }
  }
}
