/**
 * The demo: a publisher, a broker in memory, a worker that delivers each message over HTTP to a gateway that is slow, refuses and
 * hangs. Ctrl-C drains, a second Ctrl-C aborts, and at the end there is an account of every message.
 *
 * `npm run demo -- --help` lists the options.
 */
import process from "node:process";
import { context, type Context, errgroup, time } from "headgate";
import { shutdown } from "headgate/signal";
import { type Delivery, memoryBroker, type Progress, type Report, worker } from "headgate/worker";
import { account, beside, plain, showProgress } from "./display.ts";
import { startGateway } from "./gateway.ts";
import { HELP, type Options, parse, UsageError } from "./options.ts";

async function main(options: Options): Promise<void> {
  const [signalled, abort, release] = shutdown(context.background());
  const [stop, stopNow] = context.withCancelCause(signalled);
  using _release = release;
  using _stopNow = stopNow;
  const alarm = time.afterFunc(options.stopAfter ?? Infinity, () => stopNow(new Error("--stop-after")));

  const gateway = await startGateway(options);
  const broker = memoryBroker<unknown>({ capacity: 1000 });
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
  let published = 0;

  const publish = async (ctx: Context): Promise<void> => {
    for (const body of options.bodies) {
      await broker.publish(body, {}, ctx);
      published++;
    }
    broker.end();
  };

  const deliver = async (ctx: Context, { id, body }: Delivery<unknown>): Promise<void> => {
    const [limited, cancel] = context.withTimeout(ctx, options.timeout);
    using _ = cancel;
    const request = {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "x-message": id.split(".")[0]! },
      signal: limited.signal,
    };
    const response = await fetch(gateway.url, request);
    if (!response.ok) throw new Error(`the gateway answered ${response.status}`);
  };

  const total = options.bodies.length;
  let report: Report<Delivery<unknown>> | undefined;
  await beside(
    (ctx) => showProgress(ctx, progress, total),
    () =>
      errgroup.run(stop, async (group) => {
        // The publisher ends early when we are stopped; that is no failure.
        void group.go((ctx) =>
          publish(ctx).catch((error) => {
            if (error !== ctx.err()) throw error;
          }),
        );
        const { concurrency, grace, attempts } = options;
        report = await worker(stop, broker, deliver, { concurrency, grace, abort, maxAttempts: attempts, progress });
      }),
  );
  alarm.stop();
  await gateway.close();
  if (report === undefined) return;
  if (options.json) process.stdout.write(`${JSON.stringify({ report: plain(report), gateway: gateway.count })}\n`);
  else process.stdout.write(`${account(report, gateway.count, published, broker.size)}\n`);
  process.exitCode = report.expired > 0 ? 1 : 0;
}

try {
  const options = parse(process.argv.slice(2));
  if (options === "help") process.stdout.write(HELP);
  else await main(options);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`demo: ${error.message}\nTry npm run demo -- --help\n`);
  process.exitCode = 2;
}
