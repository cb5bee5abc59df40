/**
 * What the demo shows: a line of progress while it runs, what a signal does, and the account at the end.
 */
import process from "node:process";
import { context, type Context, select, time } from "headgate";
import type { Progress, Report } from "headgate/worker";
import type { Broker } from "./brokers/broker.ts";
import type { GatewayCount } from "./gateway.ts";
import { textOf } from "./secrets.ts";
import { folded, PLAIN, type Style, type Terminal, terminalOf } from "./terminal.ts";

/** On a terminal: what is in this line is no more. */
const CLEAR = "\r\x1b[K";

/** A line on stderr, above that of the progress. */
export function say(line: string): void {
  tell(`demo: ${line}`);
}

function tell(line: string, style?: Style): void {
  const terminal = terminalOf(process.stderr);
  const text = folded(line, terminal);
  process.stderr.write(`${terminal.isLive ? CLEAR : ""}${style === undefined ? text : terminal.paint(style, text)}\n`);
}

const seconds = (ms: number): string => `${Number((ms / 1000).toPrecision(3))} s`;
const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;

// ----------------------------------------------------------------------------------------------------------- while it runs

/** What will happen, and what to press. */
export function introduce(total: number, { slow, refuse, hang }: { slow: number; refuse: number; hang: number }): void {
  const gateway = [slow > 0 ? "is slow" : "", refuse > 0 ? `refuses ${percent(refuse)}` : ""].filter(Boolean);
  if (hang > 0) gateway.push(`never answers ${percent(hang)}`);
  const tail = gateway.length === 0 ? "" : ` that ${gateway.join(", ").replace(/, ([^,]*)$/, " and $1")}`;
  say(`a worker delivers ${total} ${total === 1 ? "message" : "messages"} over HTTP to a gateway${tail}`);
}

/** The second half of that. */
export function sayWhatToPress(): void {
  say("Ctrl-C drains and accounts for every message; Ctrl-C again aborts");
}

/** Work has stopped, and what is in flight may end. `keys` is what the next signal needs. */
export function sayDraining({ running }: Progress, grace: number, keys: string): void {
  tell(`draining: ${running} in flight, ${seconds(grace)} at most; ${keys} to abort`, "warn");
}

/** What is in flight is broken off. `why` names what has begun it, `next` what the next signal does. */
export function sayAborting({ running }: Progress, reason: string, next: string): void {
  const are = running === 1 ? "is" : "are";
  tell(`aborting${reason}: ${running} in flight ${are} broken off, to go back to the broker${next}`, "bad");
}

/** How many there are a second, of late. */
export class Rate {
  private readonly seen: (readonly [at: number, count: number])[] = [];

  /** Call it now and then with the number there are now. It returns undefined until there is a result. */
  of(count: number): number | undefined {
    const now = time.now();
    this.seen.push([now, count]);
    while (this.seen.length > 2 && this.seen[1]![0] <= now - WINDOW) this.seen.shift();
    const [at, before] = this.seen[0]!;
    return now - at < WINDOW / 4 ? undefined : Math.round((1000 * (count - before)) / (now - at));
  }
}

/** ms over which a rate is taken. */
const WINDOW = 2000;

/** Shows the progress until `ctx` ends: one living line on a terminal, a line a second elsewhere. On stderr: stdout is for results. */
export async function showProgress(ctx: Context, line: (terminal: Terminal) => string): Promise<void> {
  const ticker = new time.Ticker(terminalOf(process.stderr).isLive ? 100 : 1000);
  for (;;) {
    const got = await select({ tick: ticker.c, over: ctx.done() });
    const terminal = terminalOf(process.stderr);
    const text = line(terminal);
    if (terminal.isLive) process.stderr.write(`${CLEAR}${text}${got.case === "over" ? "\n" : ""}`);
    else process.stderr.write(`${text}\n`);
    if (got.case === "over") return;
  }
}

/** A part of the line of progress. In a line that is too long those of the highest rank are left out. */
interface Part {
  readonly text: string;
  readonly rank: number;
  readonly style?: Style | undefined;
}

/** What the progress alone does not tell. */
interface Moment {
  readonly terminal?: Terminal;
  /** How many are acked a second. */
  readonly rate?: number | undefined;
  /** ms that are left to drain, while it drains. */
  readonly left?: number | undefined;
}

/** What is between two parts. */
const BETWEEN = " · ";

export function progressLine(
  p: Progress,
  total: number,
  { shared, state }: Broker,
  { terminal = PLAIN, rate, left }: Moment = {},
): string {
  const { published, trouble, quiet = 0 } = state;
  const parts: Part[] = [];
  if (left !== undefined)
    parts.push({ text: `draining, ${Math.ceil(Math.max(0, left) / 1000)} s left`, rank: 0, style: "warn" });
  if (shared === undefined) {
    if (terminal.isLive && total > 0) parts.push({ text: barOf((p.acked + p.dead) / total), rank: 1, style: "good" });
    parts.push({ text: `${p.acked}/${total} acked`, rank: 0 });
  } else {
    parts.push({ text: `${published}/${total} published`, rank: 3 }, { text: `${p.acked} acked`, rank: 0 });
  }
  if (rate !== undefined) parts.push({ text: `${rate}/s`, rank: 2, style: "bold" });
  parts.push({ text: `${p.running} running`, rank: 6 });
  parts.push({ text: `${p.waiting} waiting`, rank: 7 }, { text: `${p.settling} settling`, rank: 8 });
  const styles = { retried: "warn", released: "warn", dead: "bad", expired: "bad" } as const;
  for (const [name, style] of Object.entries(styles) as [keyof typeof styles, Style][])
    if (p[name] > 0) parts.push({ text: `${p[name]} ${name}`, rank: style === "bad" ? 4 : 5, style });
  if (trouble !== undefined) parts.push({ text: trouble, rank: 1, style: "bad" });
  else if (quiet >= 1000) parts.push({ text: `nothing for ${Math.floor(quiet / 1000)} s`, rank: 1, style: "dim" });
  return fitted(parts, terminal)
    .map(({ text, style }) => (style === undefined ? text : terminal.paint(style, text)))
    .join(BETWEEN);
}

/** The parts for which there is room in a line that is overwritten: what takes more than a line is not. */
function fitted(parts: readonly Part[], { isLive, columns }: Terminal): readonly Part[] {
  if (!isLive) return parts;
  const left = [...parts];
  const width = (): number => left.reduce((sum, { text }) => sum + text.length + BETWEEN.length, -BETWEEN.length);
  while (left.length > 1 && width() >= columns) {
    const most = Math.max(...left.map(({ rank }) => rank));
    left.splice(
      left.findIndex(({ rank }) => rank === most),
      1,
    );
  }
  return left.map((part) => ({ ...part, text: part.text.slice(0, columns - 1) }));
}

/** Cells of a bar. */
const CELLS = 12;

function barOf(share: number): string {
  const done = Math.min(1, Math.max(0, share));
  const full = Math.floor(CELLS * done);
  return `${"█".repeat(full)}${"░".repeat(CELLS - full)} ${String(Math.floor(100 * done)).padStart(3)} %`;
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

// -------------------------------------------------------------------------------------------------------------- at the end

/** How the account is shown, and how long the run took, in ms. */
export interface Setting {
  readonly terminal?: Terminal;
  readonly ms?: number | undefined;
}

/** The two accounts side by side, or in a narrow terminal one below the other, and the sum. */
export function account(
  report: Report,
  gateway: GatewayCount,
  broker: Broker,
  left: number | string,
  { terminal = PLAIN, ms }: Setting = {},
): string {
  const lines = [
    ...stopOf(report, ms).map((line) => folded(line, terminal)),
    "",
    ...tables(report, gateway, terminal),
    "",
    ...sum(report, broker, left).map((line, i) => terminal.paint(i === 0 ? "bold" : "dim", folded(line, terminal))),
  ];
  if (report.abandoned > 0) {
    const line = `${report.abandoned} handlers ignored the end of their context and were abandoned`;
    lines.push(terminal.paint("bad", folded(line, terminal)));
  }
  const names = leftoversOf(report).map((line) => folded(line, terminal));
  if (names.length > 0) lines.push(terminal.paint("bad", headingOf(report)), ...names);
  return lines.join("\n");
}

/** Why and when it ended, and how long the stop took, if it took any time. */
function stopOf({ stopped, cause, acked, phaseMs }: Report, ms: number | undefined): readonly string[] {
  const because = cause === undefined ? "" : ` (${textOf(cause)})`;
  const fast = ms === undefined || ms < 1 ? "" : ` in ${seconds(ms)}, ${Math.round((1000 * acked) / ms)} a second`;
  const first = `stopped: ${stopped}${because}; ${acked} acked${fast}`;
  const { draining, aborting, settling } = phaseMs;
  if (stopped === "source ended" || draining + aborting + settling === 0) return [first];
  return [first, `the stop: draining ${draining} ms, aborting ${aborting} ms, settling ${settling} ms`];
}

type Row = readonly [name: string, count: number, style?: Style];

function tables(report: Report, gateway: GatewayCount, terminal: Terminal): readonly string[] {
  const { pulled, acked, retried, released, dead, expired } = report;
  const worker: readonly Row[] = [
    ["pulled", pulled, "bold"],
    ["= acked", acked, "good"],
    ["+ retried", retried, "warn"],
    ["+ released", released, "warn"],
    ["+ dead", dead, "bad"],
    ["+ expired", expired, "bad"],
  ];
  const theirs: readonly Row[] = [
    ["requests", gateway.requests, "bold"],
    ["accepted", gateway.accepted, "good"],
    ["  different messages", gateway.distinct],
    ["refused (503)", gateway.refused, "warn"],
    ["left hanging", gateway.hung, "warn"],
    ["broken off", gateway.brokenOff, "warn"],
  ];
  const cell = ([name, n, style]: Row, width: number): string => {
    const text = name.padEnd(width) + String(n).padStart(7);
    const look = n === 0 ? "dim" : style;
    return look === undefined ? text : terminal.paint(look, text);
  };
  const [ours, others] = [worker.map((row) => cell(row, 17)), theirs.map((row) => cell(row, 24))];
  const [left, right] = ["the worker", "the gateway"];
  if (terminal.columns < 17 + 7 + 3 + 24 + 7)
    return [terminal.paint("bold", left), ...ours, "", terminal.paint("bold", right), ...others];
  return [
    `${terminal.paint("bold", left)}${" ".repeat(17 + 7 + 3 - left.length)}${terminal.paint("bold", right)}`,
    ...ours.map((line, i) => `${line}   ${others[i]!}`),
  ];
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

/** A report names the last leftovers only, and counts them all. */
const headingOf = ({ leftovers, unnamed = 0 }: Report): string =>
  unnamed === 0 ? "leftovers:" : `leftovers, the last ${leftovers.length} of ${leftovers.length + unnamed}:`;

/** Lines of leftovers, and names in a line, at most. */
const [LINES, NAMES] = [10, 3];

/** The leftovers of a kind in one line, the most of them first. */
function leftoversOf({ leftovers }: Report): readonly string[] {
  const kinds = new Map<string, string[]>();
  for (const { delivery, verdict, error } of leftovers) {
    const kind = `${verdict}, but ${oneLine(error)}`;
    const ids = kinds.get(kind);
    if (ids === undefined) kinds.set(kind, [delivery.id]);
    else ids.push(delivery.id);
  }
  const lines = [...kinds]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([kind, ids]) => {
      if (ids.length === 1) return `  ${ids[0]!}: ${kind}`;
      const more = ids.length > NAMES ? ` and ${ids.length - NAMES} more` : "";
      return `  ${ids.length} × ${kind}: ${ids.slice(0, NAMES).join(", ")}${more}`;
    });
  // Each may have an error of its own, and the server of a broker can be away: then there are many.
  if (lines.length > LINES) lines.splice(LINES, Infinity, `  and ${lines.length - LINES} more: --json names all`);
  return lines;
}

const oneLine = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${textOf(error)}` : textOf(error);

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
      leftovers: report.leftovers.map(({ delivery, verdict, error }) => ({ delivery, verdict, error: String(error) })),
    },
    gateway,
    ...(shared === undefined ? {} : { broker }),
  };
}
