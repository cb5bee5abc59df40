/**
 * One run of a worker in a bubble, about ordering keys and leases (I9, I10): five messages, three of which have one key,
 * a broker with leases shorter than the work, and two handlers. The first message fails at first, so those behind it go
 * back with it. The oracle says which invariants were broken.
 *
 * In the mode "a message comes while its lane goes back" there are two messages, and a nack takes longer:
 *
 *     ms    0         5           6            8
 *     a1    handled   fails ───── its nack ──► answered
 *     a2                          pulled: it must go back, too
 *
 * Both come again before the source has answered for the other one. So they would go back by turns for ever if their delay did not grow.
 */
import { context, type Context, time } from "headgate";
import type { Bubble } from "headgate/testing";
import { Permanent, type Report, type Source, worker } from "headgate/worker";
import { type D, type KeyedBroker, keyedBroker, LEASE } from "./explore-keys-broker.ts";
import { Oracle } from "./oracle.ts";

export const MODES = [
  "plain",
  "ack fails",
  "extend fails",
  "extend hangs",
  "a lease is lost",
  "a handler takes longer than maxLease",
  "a message comes while its lane goes back",
] as const;
export type Mode = (typeof MODES)[number];

/** In virtual ms. Handlers are cancelled 60 ms after the stop, and abandoned 80 ms after it. */
const limits = {
  concurrency: 2,
  prefetch: 3,
  batch: 3,
  grace: 100,
  abortWindow: 20,
  settle: 20,
  callTimeout: 30,
  maxAttempts: 2,
  backoff: (): number => 2,
};

const boom = new Error("boom");

export interface ScenarioOptions {
  /** What is put in the worker's place. */
  readonly worker?: typeof worker<D>;
  /** Gets, in a few words each, what happened. */
  readonly outcome?: (what: string) => void;
}

/** The scenario for `explore`: rejects with all that is wrong, a line each. */
export function scenario(mode: Mode, options: ScenarioOptions = {}): (t: Bubble) => Promise<void> {
  return (t) => new Scenario(t, mode, options).run();
}

class Scenario {
  private readonly t: Bubble;
  private readonly mode: Mode;
  private readonly options: ScenarioOptions;
  private readonly broker: KeyedBroker;
  private readonly oracle: Oracle<D>;
  private readonly gate: Context;
  private readonly openGate: () => void;
  private extensions = 0;
  private verdicts = 0;

  constructor(t: Bubble, mode: Mode, options: ScenarioOptions) {
    this.t = t;
    this.mode = mode;
    this.options = options;
    this.broker = mode.startsWith("a message")
      ? keyedBroker(["a1", "a2"], { a2: 6 })
      : keyedBroker(["a1", "a2", "a3", "b1", "x1"]);
    [this.gate, this.openGate] = context.withCancel(context.background());
    t.name(this.gate, "gate");
    this.oracle = new Oracle({
      limits: { ...limits, maxLease: mode.startsWith("a handler") ? 30 : 1e6 },
      stop: t.ctx,
      abort: t.abort,
      left: () => [],
      mayExpire: mode !== "plain" && !mode.startsWith("a message"),
      mayBeLost: true,
      mayLapse: mode.startsWith("extend"),
    });
  }

  async run(): Promise<void> {
    const { t, mode, options, broker, oracle } = this;
    if (mode === "extend hangs") void time.sleep(150, t.ctx).then(this.openGate, () => {});
    context.afterFunc(t.ctx, () => oracle.came("stop"));
    context.afterFunc(t.abort, () => oracle.came("abort"));
    broker.onLapse = (delivery) => oracle.lapsed(delivery);
    const run = options.worker ?? worker<D>;
    const [source, handler] = [
      oracle.source(this.source()),
      oracle.handler((ctx, delivery) => this.work(ctx, delivery)),
    ];
    let report: Report<D> | undefined;
    try {
      report = await run(t.ctx, source, handler, oracle.options());
      oracle.atTheReturn(report);
    } catch (error) {
      oracle.rejected(error);
    } finally {
      this.openGate();
    }
    broker.close();
    // What was given up comes to its end, and must not change anything.
    await t.wait();
    if (report !== undefined) {
      oracle.atTheEnd(report);
      for (const what of oracle.outcomes(report)) options.outcome?.(what);
    }
    if (oracle.wrong.length > 0) throw new Error(oracle.wrong.join("\n"));
  }

  private async work(ctx: Context, { id, attempt }: D): Promise<void> {
    if (id.startsWith("a1")) {
      await time.sleep(5, ctx);
      if (attempt === 1) throw boom;
    }
    if (id.startsWith("a2")) {
      await time.sleep(this.mode.startsWith("a message") ? 1 : LEASE + 6, ctx);
      throw new Permanent("no use");
    }
    // A handler whose ctx ends takes a moment.
    if (id.startsWith("b1")) await time.sleep(2 * LEASE, ctx).catch(() => time.sleep(3));
    if (id.startsWith("x1")) await time.sleep(3, ctx);
  }

  /** The broker with its faults. */
  private source(): Source<D> & Required<Pick<Source<D>, "deadLetter">> {
    const { broker } = this;
    return {
      lease: LEASE,
      get ended() {
        return broker.ended;
      },
      pull: (ctx, max) => broker.pull(ctx, max),
      ack: (ctx, deliveries) => this.tell(ctx, () => broker.settle(deliveries)),
      deadLetter: (ctx, items) => this.tell(ctx, () => broker.settle(items.map(({ delivery }) => delivery))),
      nack: (ctx, items) => this.tell(ctx, () => broker.giveBack(items), this.mode.startsWith("a message") ? 3 : 1),
      extend: (ctx, deliveries) => this.extend(ctx, deliveries),
    };
  }

  private async tell(ctx: Context, call: () => readonly D[], ms = 1): Promise<readonly D[]> {
    const n = ++this.verdicts;
    await time.sleep(ms, ctx);
    if (this.mode === "ack fails" && (n <= 2 || n === 4)) throw boom;
    return call();
  }

  private async extend(ctx: Context, deliveries: readonly D[]): Promise<readonly D[]> {
    const n = ++this.extensions;
    const { mode, broker } = this;
    // One failure leaves two more tries before the lease runs out; three in a row do not.
    if (mode === "extend fails" && n !== 2 && n < 6) throw boom;
    if (mode === "extend hangs" && n > 2 && n < 6) await this.gate.done().recv();
    if (mode === "a lease is lost" && n <= 2) broker.revoke(deliveries[n === 1 ? deliveries.length - 1 : 0]);
    await time.sleep(1, ctx);
    return broker.extend(deliveries);
  }
}
