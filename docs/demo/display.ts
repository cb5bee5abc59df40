/**
 * What the demo shows: a line of progress while it runs, the account at the end.
 */
import process from "node:process";
import { context, type Context, select, time } from "headgate";
import type { Progress, Report } from "headgate/worker";
import type { GatewayCount } from "./gateway.ts";

/** Shows the progress until `ctx` ends: one living line on a terminal, a line a second elsewhere. On stderr: stdout is for results. */
export async function showProgress(ctx: Context, progress: Progress, total: number): Promise<void> {
  const terminal = process.stderr.isTTY;
  const ticker = new time.Ticker(terminal ? 100 : 1000);
  for (;;) {
    const got = await select({ tick: ticker.c, over: ctx.done() });
    if (terminal) process.stderr.write(`\r\x1b[K${progressLine(progress, total)}${got.case === "over" ? "\n" : ""}`);
    else process.stderr.write(`${progressLine(progress, total)}\n`);
    if (got.case === "over") return;
  }
}

function progressLine(p: Progress, total: number): string {
  const parts = [`${p.acked}/${total} acked`, `${p.running} running`, `${p.waiting} waiting`, `${p.settling} settling`];
  for (const name of ["retried", "released", "dead", "expired"] as const)
    if (p[name] > 0) parts.push(`${p[name]} ${name}`);
  return parts.join(" · ");
}

/** The two accounts side by side. */
export function account(report: Report, gateway: GatewayCount, published: number, left: number): string {
  const { pulled, acked, retried, released, dead, expired } = report;
  const worker = [
    ["pulled", pulled],
    ["= acked", acked],
    ["+ retried", retried],
    ["+ released", released],
    ["+ dead", dead],
    ["+ expired", expired],
  ] as const;
  const theirs = [
    ["requests", gateway.requests],
    ["accepted", gateway.accepted],
    ["  different messages", gateway.distinct],
    ["refused (503)", gateway.refused],
    ["left hanging", gateway.hung],
    ["broken off", gateway.brokenOff],
  ] as const;
  const cell = ([name, n]: readonly [string, number], width: number): string =>
    name.padEnd(width) + String(n).padStart(7);
  const cause = report.cause === undefined ? "" : ` (${(report.cause as Error).message})`;
  const lines = [
    `stopped: ${report.stopped}${cause}; draining ${report.took.draining} ms, aborting ${report.took.aborting} ms, settling ${report.took.settling} ms`,
    "",
    `${"the worker".padEnd(24)}   the gateway`,
    ...worker.map((row, i) => `${cell(row, 17)}   ${cell(theirs[i]!, 24)}`),
    "",
    `published ${published} = acked ${acked} + dead ${dead} + still in the broker ${left}`,
  ];
  const started =
    report.abandoned > 0 ? [`${report.abandoned} handlers ignored the end of their context and were abandoned`] : [];
  const names = report.leftovers.map(({ delivery, was, error }) => `  ${delivery.id}: ${was}, but ${String(error)}`);
  if (names.length > 0) names.unshift("leftovers:");
  return [...lines, ...started, ...names].join("\n");
}

/** The report as plain JSON: errors become their texts. */
export function plain(report: Report): unknown {
  return {
    ...report,
    ...(report.cause === undefined ? {} : { cause: String(report.cause) }),
    leftovers: report.leftovers.map(({ delivery, was, error }) => ({ delivery, was, error: String(error) })),
  };
}

/** Runs `show` beside the work and lets it finish its last line. */
export async function beside<T>(show: (ctx: Context) => Promise<void>, work: () => Promise<T>): Promise<T> {
  const [ctx, end] = context.withCancel(context.background());
  const shown = show(ctx);
  try {
    return await work();
  } finally {
    end();
    await shown;
  }
}
