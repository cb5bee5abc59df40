/**
 * Stage 1 of the worker: pulls messages for as long as there is room, until the stop begins or the source has ended.
 *
 * Invariants:
 * - One pull at a time, and only with room for its messages (I5).
 * - A pull that ignores the end of its ctx is given up, and the worker stops. Messages that it brings later are released.
 */
import { attempt } from "../internal/foreign.ts";
import { monotonic } from "../internal/runtime.ts";
import { context, type RecvChan, retry, select, time } from "../index.ts";
import type { Account } from "./account.ts";
import { wrapPulled } from "./inflight.ts";
import type { Settings } from "./options.ts";
import type { Shutdown } from "./shutdown.ts";
import type { Delivery, Source } from "./source.ts";

/** ms between the beginnings of two pulls that bring nothing and do not wait. */
const IDLE = 100;

/** The parts of the worker that the stage needs. */
export interface Pulling<D extends Delivery> {
  readonly source: Source<D>;
  readonly settings: Settings<D>;
  readonly account: Account<D>;
  readonly shutdown: Shutdown<D>;
  /** The number of messages that may be pulled now. */
  readonly room: () => number;
  /** Has a value when there is room again. */
  readonly hasRoom: RecvChan<true>;
  /** Takes the messages of a pull. */
  readonly take: (deliveries: readonly D[]) => void;
  /** Called once: no more will be pulled. */
  readonly end: () => void;
}

export class Puller<D extends Delivery> {
  private readonly worker: Pulling<D>;

  constructor(worker: Pulling<D>) {
    this.worker = worker;
  }

  async pullAll(): Promise<void> {
    const { source, account, shutdown, hasRoom } = this.worker;
    const { stop } = shutdown;
    let failures = 0;
    while (!shutdown.hasBegun) {
      try {
        if (source.ended === true) break;
        const room = this.worker.room();
        if (room <= 0) await select({ room: hasRoom, stop: stop.done() });
        else await this.pullOnce(room);
        failures = 0;
      } catch (error) {
        const retryIn = retry.backoff(++failures);
        // A pull must not reject because the stop has begun; but it is no trouble either.
        if (shutdown.hasBegun) account.emit({ type: "sourceError", call: "pull", error, retryIn });
        else account.sourceFailed("pull", error, retryIn);
        await time.sleep(retryIn, stop).catch(() => {});
      }
    }
    if (!shutdown.hasBegun) shutdown.enter("draining");
    this.worker.end();
  }

  private async pullOnce(room: number): Promise<void> {
    const { source, account, shutdown, settings, take } = this.worker;
    const { batch, callTimeout, settle } = settings;
    const limited = this.limited(callTimeout);
    if (limited === undefined) return;
    const [ctx, cancel] = limited;
    // Even an obedient pull takes a while to come back, however short the grace.
    const slack = Math.max(settle, Math.min(callTimeout / 2, 1_000));
    using _cancel = cancel;
    const begun = monotonic();
    const pulled = Promise.resolve(source.pull(ctx, Math.min(batch, room), room));
    const result = await this.within([callTimeout, slack], pulled);
    if (result === undefined) return;
    const { brought } = result;
    take(brought);
    account.trouble.succeeded("pull", brought.length > 0);
    if (brought.length > 0 || source.ended === true) return;
    // It should have waited. Called again at once, and again, it would starve everything else; also if callTimeout does not let it wait long.
    const apart = ctx.err() === undefined ? IDLE : Math.max(1, Math.min(IDLE, callTimeout));
    await time.sleep(begun + apart - monotonic(), shutdown.stop).catch(() => {});
  }

  /**
   * The messages of a pull that takes at most as many ms as the parts have; undefined if it was given up. After a process was
   * suspended, or busy in one piece, all overdue timers fire in one turn, before the pull can notice that its ctx has ended. So the second
   * part begins when the first has ended.
   */
  private async within(
    parts: readonly number[],
    pulled: Promise<readonly D[]>,
  ): Promise<{ readonly brought: readonly D[] } | undefined> {
    let cause: unknown;
    for (const ms of parts) {
      const [patience, lose] = context.withTimeout(this.worker.shutdown.patience, ms);
      using _ = lose;
      try {
        return { brought: await context.wait(pulled, patience) };
      } catch (error) {
        if (patience.err() === undefined || error !== patience.err()) throw error;
        cause = error;
      }
    }
    this.giveUp(pulled, cause);
    return undefined;
  }

  /** The ctx of a pull. If the caller's ctx cannot be asked for its deadline any more, there is no pull, and the worker stops. */
  private limited(ms: number): ReturnType<typeof context.withTimeout> | undefined {
    const { shutdown } = this.worker;
    try {
      return context.withTimeout(shutdown.stop, ms);
    } catch (error) {
      shutdown.fail(error);
      return undefined;
    }
  }

  private giveUp(pulled: Promise<readonly D[]>, cause: unknown): void {
    attempt(
      () =>
        void pulled.then(
          (late) => this.releaseLate(late),
          () => {},
        ),
    );
    this.worker.shutdown.fail(new Error("worker: source.pull ignored the end of its ctx", { cause }));
  }

  private async releaseLate(deliveries: readonly D[]): Promise<void> {
    const { source, settings, account, shutdown } = this.worker;
    const all = wrapPulled<D>(deliveries);
    if (all.length === 0) return;
    const [ctx, cancel] = context.withTimeout(shutdown.detached, settings.callTimeout);
    using _ = cancel;
    const items = all.map(({ delivery }) => ({ delivery, delay: 0, reason: "released" as const }));
    try {
      await source.nack(ctx, items);
    } catch (error) {
      account.sourceFailed("nack", error, Infinity);
    }
  }
}
