/**
 * The theory of channels in one sentence, to check scenarios by: the n-th receive that succeeds, in the order of the
 * calls, gets the value of the n-th send that does.
 */
import { Chan, type Context } from "headgate";
import type { Bubble } from "headgate/testing";
import { expect } from "vitest";

/** One call on one side of a channel. */
interface Call {
  value: number | undefined;
  done: boolean;
}

/** The oracle of a channel: the calls on each side in their order, and what came of them. */
export class Oracle {
  readonly ch: Chan<number>;
  private readonly sends: Call[] = [];
  private readonly receives: Call[] = [];

  constructor(capacity: number = 0) {
    this.ch = new Chan(capacity);
  }

  /** Notes a send that is about to be called; the function it returns is for when it has succeeded. */
  sending(value: number): () => void {
    const call: Call = { value, done: false };
    this.sends.push(call);
    return () => (call.done = true);
  }

  /** The same for a receive. */
  receiving(): (value: number) => void {
    const call: Call = { value: undefined, done: false };
    this.receives.push(call);
    return (value) => Object.assign(call, { value, done: true });
  }

  async send(value: number, ctx?: Context): Promise<void> {
    const sent = this.sending(value);
    await this.ch.send(value, ctx);
    sent();
  }

  /** False when the channel is closed and drained. */
  async recv(ctx?: Context): Promise<boolean> {
    const received = this.receiving();
    const [value, ok] = await this.ch.recv(ctx);
    if (ok) received(value);
    return ok;
  }

  /** For when all have ended: the n-th receive has got the value of the n-th send, and the rest is buffered. */
  check(): void {
    const received = this.receives.filter((call) => call.done).map((call) => call.value);
    const left: unknown[] = [];
    for (let got = this.ch.tryRecv(); got?.[1] === true; got = this.ch.tryRecv()) left.push(got[0]);
    const sent = this.sends.filter((call) => call.done).map((call) => call.value);
    expect([...received, ...left]).toEqual(sent);
  }

  /** Ends those who wait, who must all be on one side, and checks them. */
  async stop(t: Bubble, all: Promise<void>): Promise<void> {
    await t.wait();
    expect(this.ch.toString()).not.toMatch(/receiver.*sender/);
    t.cancel();
    await all;
    this.check();
  }
}
