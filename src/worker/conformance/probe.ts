/**
 * The steps of a case: pull, take, watch, send a verdict. Each checks the rules that always hold.
 *
 * Invariants:
 * - No step waits for ever: each call has a ctx with a deadline, and must settle soon after its end.
 * - A broken rule is a {@link Fault}, whose message says what was seen. Any other error is the source's own.
 */
import { isA, textOf } from "../../internal/foreign.ts";
import { Chan, context, type Context, select, time } from "../../index.ts";
import { monotonic } from "../../internal/runtime.ts";
import type { Lab, Traits } from "./types.ts";
import type { Delivery, Source } from "../source.ts";

/** A rule of the contract, and its test. */
export interface Rule<D extends Delivery<string>> {
  readonly name: string;
  /** The reason why the rule does not apply to a broker with these traits; `undefined` if it applies. */
  readonly unless?: (traits: Traits) => string | undefined;
  readonly check: (probe: Probe<D>) => Promise<void>;
}

/** The calls about a delivery: the verdicts, and `extend`. */
export type Verb = "ack" | "nack" | "release" | "deadLetter" | "extend";

/** The source broke a rule. */
export class Fault extends Error {}

/** A lab, with the time limits that follow from its traits. */
export class Probe<D extends Delivery<string>> {
  readonly lab: Lab<D>;
  readonly source: Source<D>;
  readonly other: Source<D>;
  readonly traits: Traits;
  readonly patience: number;
  private readonly soon: number;

  constructor(lab: Lab<D>, traits: Traits) {
    this.lab = lab;
    this.source = lab.source;
    this.other = lab.other;
    this.traits = traits;
    this.patience = traits.patience ?? 5_000;
    this.soon = traits.soon ?? 2_000;
  }

  get hasLease(): boolean {
    return this.traits.lease < Infinity;
  }

  /** Time limit for a message that comes back, but not by the end of a lease, in ms. */
  get beforeLease(): number {
    return Math.min(this.patience, this.traits.lease * 0.8);
  }

  /** Time to watch for a message that must never come, in ms: longer than a lease, whose end would bring it. */
  get quiet(): number {
    return this.hasLease ? this.traits.lease * 1.5 : 500;
  }

  /** Pulls once. */
  async pull(source: Source<D>, max: number, ctx: Context): Promise<readonly D[]> {
    let got: readonly D[];
    try {
      got = await this.resultOf("the pull", source.pull(ctx, max), ctx);
    } catch (error) {
      if (isA(error, Fault) || ctx.err() === undefined) throw error;
      throw new Fault(
        `the ctx of a pull ended, and the pull rejected with ${textOf(error)} instead of returning a list`,
        {
          cause: error,
        },
      );
    }
    if (!Array.isArray(got)) throw new Fault(`a pull returned ${textOf(got)}, which is no list`);
    if (got.length > max) throw new Fault(`a pull for at most ${max} returned ${got.length}`);
    if (new Set(got.map(({ id }) => id)).size < got.length)
      throw new Fault("two deliveries of one pull have the same id");
    return got;
  }

  /**
   * Pulls until `count` have come; a Fault if they do not come within this many ms. Repeats a pull that fails, as the
   * worker does.
   */
  async take(source: Source<D>, count: number, within: number = this.patience): Promise<readonly D[]> {
    const [ctx, cancel] = context.withTimeout(context.background(), within);
    using _ = cancel;
    const got: D[] = [];
    let cause: unknown;
    while (got.length < count) {
      if (ctx.err() !== undefined) {
        const came = `${got.length} of the ${count} expected came within ${Math.round(within)} ms: ${listed(got)}`;
        throw new Fault(cause === undefined ? came : `${came}; a pull rejected with ${textOf(cause)}`, { cause });
      }
      try {
        const some = await this.pull(source, count - got.length, ctx);
        got.push(...some);
        if (some.length === 0) await this.pause(ctx);
      } catch (error) {
        if (isA(error, Fault)) throw error;
        cause = error;
        await time.sleep(50, ctx).catch(() => {});
      }
    }
    return got;
  }

  /** Takes one. */
  async takeOne(source: Source<D>, within?: number): Promise<D> {
    return (await this.take(source, 1, within))[0]!;
  }

  /** Pulls for this many ms; a Fault if anything comes. */
  async expectNothing(source: Source<D>, ms: number): Promise<void> {
    const [ctx, cancel] = context.withTimeout(context.background(), ms);
    using _ = cancel;
    const begun = monotonic();
    while (ctx.err() === undefined) {
      const got = await this.pull(source, 10, ctx);
      if (got.length > 0) {
        throw new Fault(
          `no message may come, but after ${Math.round(monotonic() - begun)} ms this came: ${listed(got)}`,
        );
      }
      await this.pause(ctx);
    }
  }

  /** Rests after an empty pull. If that pull did not wait, a loop of such pulls would let nothing else run. */
  async pause(ctx: Context): Promise<void> {
    await time.sleep(20, ctx).catch(() => {});
  }

  /** Sends a verdict, or extends; returns the deliveries that the source reports as lost. */
  async send(
    source: Source<D>,
    verb: Verb,
    deliveries: readonly D[],
    options: { readonly delay?: number; readonly ctx?: Context; readonly error?: (delivery: D) => unknown } = {},
  ): Promise<readonly D[]> {
    const { delay = 0, error = ({ body }: D): unknown => new Error(`poison: ${body}`) } = options;
    const [limit, cancel] = context.withTimeout(context.background(), this.patience);
    using _ = cancel;
    const ctx = options.ctx ?? limit;
    return (await this.resultOf(`the ${verb}`, this.call(source, verb, deliveries, delay, error, ctx), ctx)) ?? [];
  }

  /** Sends a verdict that must count: a Fault if the source reports any delivery as lost. */
  async expectSettles(source: Source<D>, verb: Verb, deliveries: readonly D[], delay: number = 0): Promise<void> {
    const lost = await this.send(source, verb, deliveries, { delay });
    if (lost.length > 0)
      throw new Fault(`the ${verb} of deliveries that are held reported these as lost: ${listed(lost)}`);
  }

  private call(
    source: Source<D>,
    verb: Verb,
    deliveries: readonly D[],
    delay: number,
    error: (delivery: D) => unknown,
    ctx: Context,
  ): Promise<readonly D[] | void> {
    if (verb === "ack") return source.ack(ctx, deliveries);
    if (verb === "nack" || verb === "release") {
      const reason = verb === "nack" ? "failed" : "released";
      return source.nack(
        ctx,
        deliveries.map((delivery) => ({ delivery, delay, reason })),
      );
    }
    if (verb === "extend") {
      if (source.extend === undefined) throw new Fault("the source has a lease, but no extend");
      return source.extend(ctx, deliveries);
    }
    if (source.deadLetter === undefined)
      throw new Fault("the traits say that the broker has dead letters, but the source has no deadLetter");
    return source.deadLetter(
      ctx,
      deliveries.map((delivery) => ({ delivery, error: error(delivery) })),
    );
  }

  /** Waits for the result of a call, which must settle soon after the end of ctx. */
  private async resultOf<T>(what: string, promise: Promise<T>, ctx: Context): Promise<T> {
    const settled = new Chan<never>();
    promise.then(
      () => settled.close(),
      () => settled.close(),
    );
    await select({ settled, ended: ctx.done() });
    // oxlint-disable-next-line headgate/background -- ctx has ended, and the call has a grace of its own
    const [limit, cancel] = context.withTimeout(context.background(), this.soon);
    using _ = cancel;
    if ((await select({ settled, late: limit.done() })).case === "late") {
      throw new Fault(`the ctx of ${what} ended, and it has not settled ${this.soon} ms later`);
    }
    return promise;
  }

  /** Calls `ask` until its answer is right; a Fault if it is not within `patience`. */
  async eventually<T>(what: string, ask: () => Promise<T>, isRight: (answer: T) => boolean): Promise<T> {
    const [ctx, cancel] = context.withTimeout(context.background(), this.patience);
    using _ = cancel;
    for (;;) {
      const answer = await ask();
      if (isRight(answer)) return answer;
      if (ctx.err() !== undefined)
        throw new Fault(`${what}: after ${this.patience} ms it is still ${JSON.stringify(answer)}`);
      await time.sleep(20, ctx).catch(() => {});
    }
  }

  /** Every message must be settled: none is left, as far as the broker can tell, and none comes again. */
  async expectDrained(): Promise<void> {
    const { size } = this.lab;
    if (size !== undefined) await this.eventually("the number of unsettled messages", size, (left) => left === 0);
    await this.expectNothing(this.other, this.quiet);
  }

  /**
   * The attempt of a delivery must be this, if the broker counts; or more, if it counts the releases of other
   * consumers.
   */
  expectAttempt(delivery: D, attempt: number): void {
    const { attempts, releaseIsFree } = this.traits;
    if (!attempts || delivery.attempt === attempt || (!releaseIsFree && delivery.attempt! > attempt)) return;
    throw new Fault(`the attempt should be ${attempt}; got ${String(delivery.attempt)}`);
  }

  /** The deliveries must have these bodies and no others, each once, in any order. */
  expectBodies(deliveries: readonly D[], bodies: readonly string[]): void {
    const got = deliveries.map(({ body }) => body).sort();
    const expected = [...bodies].sort();
    if (got.length === expected.length && got.every((body, i) => body === expected[i])) return;
    throw new Fault(`expected ${expected.map(brief).join(", ")}; got ${got.map(brief).join(", ") || "nothing"}`);
  }
}

/** `count` bodies of messages, all different. */
export function numbered(count: number, name: string = "m"): readonly string[] {
  return Array.from({ length: count }, (_, i) => `${name}${i}`);
}

/** The bodies of deliveries, for the message of a Fault. */
export function listed(deliveries: readonly Delivery<string>[]): string {
  const some = deliveries.slice(0, 10).map(({ body }) => brief(body));
  const others = deliveries.length - some.length;
  if (others > 0) some.push(`and ${others} more`);
  return some.join(", ") || "nothing";
}

function brief(body: unknown): string {
  if (typeof body !== "string") return `${typeof body} ${textOf(body)}`;
  return JSON.stringify(body.length > 40 ? `${body.slice(0, 40)}… (${body.length} characters)` : body);
}
