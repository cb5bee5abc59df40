/**
 * Sagas that survive SIGKILL, by a journal in a file.
 *
 *     npm run example -- journal FILE COUNT [URL of the one bank] [URL of the other]      (without them it starts two)
 *
 * Each event that `observe` gets goes to the file at once. Kill it, and start it again with the same FILE: it resumes what it finds there,
 * and then makes transfers until there are COUNT. Its own banks die with it, and what they knew; `kill.ts` is the program that kills it,
 * with banks that live on.
 *
 * What is easily got wrong, and is right here:
 * - A call is announced before it is made, and it is made only when that is on the disk: so `observe` writes synchronously.
 * - A process that cannot write its journal must not call anybody any more. `observe` cannot say so, for what it throws is ignored: it
 *   ends the process.
 * - The last line may be torn. What it would have announced was not done; it is cut off, so that the next line does not get glued to it.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, truncateSync, writeSync } from "node:fs";
import process from "node:process";
import { context, errgroup } from "headgate";
import { saga, type SagaEvent } from "headgate/saga";
import { apiOf } from "./transfer/api.ts";
import { chance } from "./transfer/chance.ts";
import { banksOf, misused } from "./transfer/options.ts";
import { type Service, startService } from "./transfer/services.ts";
import { POLICY } from "./transfer/transfer.ts";

// ----------------------------------------------------------------------------------------------------------------- the journal

/** One JSON line an event. Only one process at a time may have it open. */
class Journal {
  private readonly fd: number;

  /** The events of every saga that was begun, by the id of the saga. */
  readonly past: Map<string, SagaEvent[]> = new Map();

  constructor(file: string) {
    const bytes = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
    const whole = bytes.lastIndexOf("\n") + 1;
    if (whole < bytes.length) truncateSync(file, whole);
    for (const line of bytes.toString("utf8", 0, whole).split("\n").slice(0, -1)) {
      const event = JSON.parse(line) as SagaEvent;
      this.past.set(event.id, [...(this.past.get(event.id) ?? []), event]);
    }
    this.fd = openSync(file, "a");
  }

  /** What was begun, and has not finished. */
  unfinished(): [id: string, events: SagaEvent[]][] {
    return [...this.past].filter(([, events]) => events.at(-1)!.type !== "finished");
  }

  readonly observe = (event: SagaEvent): void => {
    try {
      writeSync(this.fd, `${JSON.stringify(event)}\n`);
      fsyncSync(this.fd); // SIGKILL alone would not need it; a power cut does
    } catch (error) {
      process.stderr.write(`the journal cannot be written: ${String(error)}\n`);
      process.exit(1);
    }
  };

  close(): void {
    closeSync(this.fd);
  }
}

// ---------------------------------------------------------------------------------------------------------------- the transfers

const USAGE = "journal FILE COUNT [BANK] [BANK]";
const [file, count, ...urls] = process.argv.slice(2);
if (file === undefined || count === undefined) misused("it needs a file, and a number of transfers", USAGE);
if (!/^\d{1,9}$/.test(count)) misused(`COUNT is a whole number, not "${count}"`, USAGE);
const banks = banksOf(urls, USAGE);
const own: Service[] = [];
for (let seed = 1; banks.length + own.length < 2; seed++) own.push(await startService({ seed }));
banks.push(...own.map(({ url }) => url));
const [debit, credit] = [apiOf(banks[0]!), apiOf(banks[1]!)];

const transfer = saga<string>("transfer")
  .step(
    "debit",
    (ctx, { key }) => debit.call(ctx, key),
    (ctx, { key }) => debit.undo(ctx, key),
  )
  .step(
    "credit",
    (ctx, { key }) => credit.call(ctx, key),
    (ctx, { key }) => credit.undo(ctx, key),
  );

const journal = new Journal(file);

/** Some are cancelled on their way, so that a kill also meets sagas that are going back. */
async function run(id: string, resume: readonly SagaEvent[]): Promise<void> {
  const ms = chance(1, "is cancelled", id) < 1 / 2 ? 40 * chance(1, "cancel", id) : 10_000;
  const [ctx, cancel] = context.withTimeout(context.background(), ms);
  using _ = cancel;
  const result = await transfer.run(ctx, id, {
    id,
    resume,
    observe: journal.observe,
    compensation: { retry: POLICY },
    deadLetter: async (_, letter) => void process.stdout.write(`${JSON.stringify({ letter: letter.key })}\n`),
  });
  process.stdout.write(`${JSON.stringify({ id, status: result.status, resumed: resume.length > 0 })}\n`);
}

const group = new errgroup.Group();
group.setLimit(4);
for (const [id, events] of journal.unfinished()) await group.go(() => run(id, events));
for (let n = 1; n <= Number(count); n++) if (!journal.past.has(`t${n}`)) await group.go(() => run(`t${n}`, []));
await group.wait();
journal.close();
await Promise.all(own.map((bank) => bank.close()));
