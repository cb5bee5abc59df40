/**
 * The demo: a publisher, a broker, in memory or a real one, and a worker that delivers each message over HTTP to a gateway that is slow,
 * refuses and hangs. Ctrl-C drains, a second Ctrl-C aborts, and at the end there is an account of every message.
 *
 * `npm run demo -- --help` lists the options.
 */
import process from "node:process";
import { context, type Context, errgroup, time } from "headgate";
import * as debug from "headgate/debug";
import { shutdown } from "headgate/signal";
import { type Delivery, type Progress, worker, type WorkerEvent } from "headgate/worker";
import { BrokerError, connect } from "./brokers.ts";
import { inMemory } from "./brokers/memory.ts";
import { installClients } from "./clients.ts";
import {
  account,
  beside,
  introduce,
  plain,
  progressLine,
  Rate,
  say,
  sayAborting,
  sayDraining,
  sayWhatToPress,
  showProgress,
} from "./display.ts";
import { startGateway } from "./gateway.ts";
import { DEFAULT_MESSAGES, HELP, type Options, parse, refuseWhatNpmKept, UsageError } from "./options.ts";
import { endWhenUnread, terminalOf } from "./terminal.ts";

async function main(options: Options): Promise<void> {
  if (options.broker !== undefined && !(await installClients()))
    throw new UsageError("--broker needs the clients of the brokers, and npm ci --prefix test/brokers has failed");
  using _watching = options.watch ? debug.watch() : undefined;
  using _dumping = options.watch ? debug.onSignal() : undefined;
  const [signalled, twice, release] = shutdown(context.background());
  const [stop, stopNow] = context.withCancelCause(signalled);
  const [abort, abortNow] = context.withCancelCause(twice);
  using _release = release;
  using _stopNow = stopNow;
  using _abortNow = abortNow;
  // Where it stops for another reason, the first signal aborts.
  const stopsBySignal = (): boolean => context.cause(stop) === context.cause(signalled);
  context.afterFunc(signalled, () => {
    if (!stopsBySignal()) abortNow(context.cause(signalled));
  });

  const broker = options.broker === undefined ? inMemory() : await connect(stop, options.broker);
  const alarm = time.afterFunc(options.stopAfter ?? Infinity, () => stopNow(new Error("--stop-after")));
  const gateway = await startGateway(options);
  const total = options.bodies.length;
  if (options.broker === undefined) introduce(total, options);
  sayWhatToPress();
  const progress: Progress = {
    pulled: 0,
    waiting: 0,
    running: 0,
    settling: 0,
    acked: 0,
    retried: 0,
    released: 0,
    dead: 0,
    expired: 0,
  };

  const deliver = async (ctx: Context, delivery: Delivery<unknown>): Promise<void> => {
    const { id, body } = broker.messageOf(delivery);
    const [limited, cancel] = context.withTimeout(ctx, options.timeout);
    using _ = cancel;
    const request = {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "x-message": id },
      signal: limited.signal,
    };
    const response = await fetch(gateway.url, request);
    if (!response.ok) throw new Error(`the gateway answered ${response.status}`);
  };

  const { concurrency, grace, attempts } = options;
  const { shared } = broker;
  const pauses = shared === undefined ? {} : { backoff: shared.backoff };
  let drained: number | undefined;
  const observe = (event: WorkerEvent): void => {
    if (event.type !== "phase" || stop.err() === undefined) return;
    drained = event.to === "draining" ? time.now() + grace : undefined;
    const bySignal = stopsBySignal();
    if (event.to === "draining" && (bySignal || progress.running > 0))
      sayDraining(progress, grace, bySignal ? "Ctrl-C again" : "Ctrl-C");
    if (event.to !== "aborting") return;
    if (abort.err() === undefined) sayAborting(progress, ", as the time to drain is over", "");
    else sayAborting(progress, "", twice.err() === undefined ? "" : "; Ctrl-C again kills the process");
  };
  const settings = { concurrency, grace, abort, maxAttempts: attempts, progress, observe, ...pauses };
  const [begun, rate] = [time.now(), new Rate()];
  const report = await beside(
    (ctx) =>
      showProgress(ctx, (terminal) =>
        progressLine(progress, total, broker, {
          terminal,
          rate: rate.of(progress.acked),
          left: drained === undefined ? undefined : drained - time.now(),
        }),
      ),
    () =>
      errgroup.run(stop, async (group, ctx) => {
        // A task that ends early because of the stop has not failed.
        const unlessStopped = (error: unknown): void => {
          if (error !== ctx.err()) throw error;
        };
        void group.go((ctx) => broker.publish(ctx, options.bodies).catch(unlessStopped));
        if (shared !== undefined && (total > 0 || options.broker?.idle !== undefined)) {
          const end = (): void => stopNow(new Error("nothing more has come"));
          void group.go((ctx) => shared.over(ctx, progress).then(end, unlessStopped));
        }
        const report = await worker(ctx, broker.source, deliver, settings);
        stopNow();
        return report;
      }),
  );
  const ms = time.now() - begun;
  alarm.stop();
  await gateway.close();
  const left = await broker.left();
  if (options.json) process.stdout.write(`${JSON.stringify(plain(report, gateway.count, broker, left))}\n`);
  else {
    const terminal = terminalOf(process.stdout);
    process.stdout.write(`${account(report, gateway.count, broker, left, { terminal, ms })}\n`);
    if (terminal.isLive && report.stopped === "source ended" && total === DEFAULT_MESSAGES)
      say(`more messages leave the time to press Ctrl-C: npm run demo -- --messages ${10 * total}`);
  }
  process.exitCode = report.expired > 0 || report.stopped === "failed" ? 1 : 0;
  // After the account: a broker that hangs may be closed in its limit, or not. Then what is left of it must not keep us.
  await broker.close();
  if (shared !== undefined) process.exit();
}

endWhenUnread();
try {
  refuseWhatNpmKept(process.env);
  const options = parse(process.argv.slice(2));
  if (options === "help") process.stdout.write(HELP);
  else await main(options);
} catch (error) {
  if (error instanceof BrokerError) {
    process.stderr.write(`demo: ${error.message}\n`);
    process.exitCode = 1;
  } else if (error instanceof UsageError) {
    process.stderr.write(`demo: ${error.message}\nTry npm run demo -- --help\n`);
    process.exitCode = 2;
  } else {
    throw error;
  }
}
// A client that is still trying to reach a server is not waited for.
setTimeout(() => process.exit(), 1000).unref();
