/**
 * What the demo shows: a line of progress while it runs, the account at the end.
 */
import process from "node:process";
import { context, type Context, select, time } from "headgate";
import type { Progress, Report } from "headgate/worker";
import type { Broker } from "./brokers/broker.ts";
import type { GatewayCount } from "./gateway.ts";

/** A line on stderr, above that of the progress. */
export function say(line: string): void {
  process.stderr.write(`${process.stderr.isTTY ? CLEAR : ""}demo: ${line}\n`);
}

/** On a terminal: what is in this line is no more. */
const CLEAR = "\r\x1b[K";

/** Shows the progress until `ctx` ends: one living line on a terminal, a line a second elsewhere. On stderr: stdout is for results. */
export async function showProgress(ctx: Context, line: () => string): Promise<void> {
  const { isTTY: terminal, columns } = process.stderr;
  const ticker = new time.Ticker(terminal ? 100 : 1000);
  for (;;) {
    const got = await select({ tick: ticker.c, over: ctx.done() });
    // What takes more than a line is not overwritten.
    if (terminal) process.stderr.write(`${CLEAR}${line().slice(0, columns - 1)}${got.case === "over" ? "\n" : ""}`);
    else process.stderr.write(`${line()}\n`);
    if (got.case === "over") return;
  }
}

export function progressLine(p: Progress, total: number, { shared, state }: Broker): string {
  const { published, trouble, quiet = 0 } = state;
  const parts =
    shared === undefined ? [`${p.acked}/${total} acked`] : [`${published}/${total} published`, `${p.acked} acked`];
  parts.push(`${p.running} running`, `${p.waiting} waiting`, `${p.settling} settling`);
  for (const name of ["retried", "released", "dead", "expired"] as const)
    if (p[name] > 0) parts.push(`${p[name]} ${name}`);
  if (trouble !== undefined) parts.push(trouble);
  else if (quiet >= 1000) parts.push(`nothing for ${Math.floor(quiet / 1000)} s`);
  return parts.join(" · ");
}

/** Where every message went. Where several processes publish and work, only all of them together add up. */
function sum({ acked, dead, expired }: Report, { shared, state }: Broker, left: number | string): readonly string[] {
  const { published, unconfirmed = 0 } = state;
  if (shared === undefined)
    return [`published ${published} = acked ${acked} + dead ${dead} + still in the broker ${left}`];
  const { deadLetters, uncounted } = shared;
  const but = uncounted === undefined ? "" : `, not counting ${uncounted}`;
  const lines = [
    `here: published ${published}, acked ${acked}, dead ${dead}${dead > 0 ? ` (they are in ${deadLetters})` : ""}`,
    `still in the broker: ${typeof left === "number" ? `${left}${but}` : `unknown, ${left}`}`,
  ];
  if (unconfirmed > 0) lines.push(`sent, but not confirmed: ${unconfirmed}; they may be there, or not, or twice`);
  // What expired, or was sent again, may have been acked twice.
  const adds = expired + unconfirmed === 0 ? "=" : "≤";
  return [...lines, `over all terminals: published ${adds} acked + dead + still in the broker`];
}

/** Leftovers of a real broker that are named. */
const MOST = 10;

/** The two accounts side by side, and the sum. */
export function account(report: Report, gateway: GatewayCount, broker: Broker, left: number | string): string {
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
    ...sum(report, broker, left),
  ];
  const started =
    report.abandoned > 0 ? [`${report.abandoned} handlers ignored the end of their context and were abandoned`] : [];
  const names = report.leftovers.map(({ delivery, was, error }) => `  ${delivery.id}: ${was}, but ${String(error)}`);
  // The server of a broker can be away, and then there are many.
  if (broker.shared !== undefined && names.length > MOST)
    names.splice(MOST, Infinity, `  and ${names.length - MOST} more: --json names all`);
  if (names.length > 0) names.unshift("leftovers:");
  return [...lines, ...started, ...names].join("\n");
}

/** All of that as plain JSON: errors become their texts. */
export function plain(
  report: Report,
  gateway: GatewayCount,
  { shared, state }: Broker,
  left: number | string,
): unknown {
  const { published, unconfirmed } = state;
  const broker = { published, unconfirmed, left: typeof left === "number" ? left : null };
  return {
    report: {
      ...report,
      ...(report.cause === undefined ? {} : { cause: String(report.cause) }),
      leftovers: report.leftovers.map(({ delivery, was, error }) => ({ delivery, was, error: String(error) })),
    },
    gateway,
    ...(shared === undefined ? {} : { broker }),
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
