/**
 * An HTTP server that undoes whatever is cancelled.
 *
 *     npm run example -- server [URL of the one bank] [URL of the other]      (without them it starts two)
 *
 * It stands in front of two banks: `POST /transfers/ID` moves money from one to the other, or does not. It prints its URL. Then try it,
 * and end it with Ctrl-C:
 *
 *     curl -i -X POST URL/transfers/1                      201, done
 *     curl -i -X POST URL/transfers/2 --max-time 0.005     the client leaves, and what was begun is undone
 *     curl -i -X POST URL/transfers/2                      409, compensated: it may ask again, with a new id
 *
 * The ctx of a request ends
 * - when the client leaves, which a server sees by the `close` of a response that it has not finished;
 * - when its own deadline is over;
 * - when the server stops and the time to drain is over, or at the second signal.
 * Whichever it is, what the saga has begun is undone, on a ctx that none of them ends.
 *
 * A client that did not hear the answer asks again, with the same id. It gets the outcome of the first request, and no second saga begins.
 * Of two sagas at a time, one could undo what the other has done. A later one could undo a transfer that was reported as done. A server
 * that stops answers 503, which says nothing of the transfer. It does not mean compensated: a transfer with that id may run on, and be
 * done.
 *
 * The stages of the stop, each with a context:
 *
 *     stop       the first signal                      no new requests; those that run go on
 *     serving    DRAIN ms later, or second signal      the ctx of each request ends; sagas undo what they have begun
 *     life       WINDOW ms later                       `context.lifetime` of each request: sagas stop undoing, and dead-letter the rest
 *
 * Invariant: the process ends after every saga has returned, so that no pair is half-done without a dead letter. Against SIGKILL and
 * power cuts this is no help: see `journal.ts`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { context, type Context, sync } from "headgate";
import { type DeadLetter, type Result, saga } from "headgate/saga";
import { shutdown } from "headgate/signal";
import { apiOf } from "./transfer/api.ts";
import { banksOf, msOf } from "./transfer/options.ts";
import { type Service, startService } from "./transfer/services.ts";
import { POLICY } from "./transfer/transfer.ts";

/** ms that a transfer may take. */
const DEADLINE = msOf("DEADLINE", 2_000);
/** ms that running requests get to end by themselves, once the server stops. */
const DRAIN = msOf("DRAIN", 1_000);
/** ms that their sagas get to undo what they have begun. Dead letters take up to 5 s more: an orchestrator must wait for the sum. */
const WINDOW = msOf("WINDOW", 3_000);

const banks = banksOf(process.argv.slice(2), "server [BANK] [BANK]");
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

// ------------------------------------------------------------------------------------------------------------------- a request

const STATUS = { committed: 201, compensated: 409, "dead-lettered": 500, lost: 500 } as const;
const account = { committed: 0, compensated: 0, "dead-lettered": 0, lost: 0 };

/** By id. In earnest a table, whose rows live as long as those of the banks' fences, and outlive the process. */
const begun = new Map<string, Promise<Result<unknown>>>();

async function answer(serving: Context, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const id = /^\/transfers\/([\w-]+)$/.exec(request.url ?? "")?.[1];
  if (id === undefined || request.method !== "POST") return void response.writeHead(404).end();
  if (!begun.has(id)) begun.set(id, begin(serving, id, response));
  const result = await begun.get(id)!;
  // If the client is gone, this does nothing.
  response.writeHead(STATUS[result.status]).end(said(result));
}

async function begin(serving: Context, id: string, response: ServerResponse): Promise<Result<unknown>> {
  // Where a server is a function of a Request, its `signal` is that of the client.
  const client = new AbortController();
  response.on("close", () => client.abort(new Error("the client has left")));
  const [present, leave] = context.withSignal(serving, client.signal);
  using _leave = leave;
  const [ctx, cancel] = context.withTimeout(present, DEADLINE);
  using _cancel = cancel;
  const result = await transfer.run(ctx, id, { id, compensation: { retry: POLICY }, deadLetter });
  account[result.status]++;
  return result;
}

/** The client learns that it may try again (with a new id: the old one was undone), or that it is out of its hands. */
function said(result: Result<unknown>): string {
  return result.status === "committed" ? "done\n" : `${result.status}: ${result.cause.message}\n`;
}

/** Here a dead letter is a line of the log. In production it goes to a table or a queue. */
async function deadLetter(_: Context, letter: DeadLetter): Promise<void> {
  process.stdout.write(`${JSON.stringify({ letter: letter.key, reason: letter.reason })}\n`);
}

// -------------------------------------------------------------------------------------------------------------------- the stop

const [stop, abort, release] = shutdown(context.background());
const [life, endLife] = context.withCancelCause(context.background());
const [serving, endServing] = context.withCancelCause(context.withValue(abort, context.lifetime, life));
const requests = new sync.WaitGroup();

const server = createServer((request, response) => {
  request.resume();
  if (stop.err() !== undefined) response.writeHead(503, { connection: "close" }).end("ask again, with the same id\n");
  else requests.go(() => answer(serving, request, response));
});
await new Promise<void>((resolve, reject) => server.on("error", reject).listen(0, "127.0.0.1", resolve));
process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);

await stop.done().recv();
if (process.stderr.isTTY) process.stderr.write(`\rdraining, ${DRAIN} ms at most; Ctrl-C again undoes what is begun\n`);
server.close();
await within(abort, DRAIN);
endServing(new Error("the server stops"));
await within(context.background(), WINDOW);
endLife(new Error("the server waits no longer"));
await requests.wait(); // no longer than the sagas need for their dead letters
server.closeAllConnections();
await Promise.all(own.map((bank) => bank.close()));
process.stdout.write(`${JSON.stringify(account)}\n`);
if (account.lost > 0) process.exitCode = 1;
release();

/** Waits until all requests are answered, for so many ms and until the end of ctx at most. */
async function within(ctx: Context, ms: number): Promise<void> {
  const [limited, cancel] = context.withTimeout(ctx, ms);
  using _ = cancel;
  await requests.wait(limited).catch(() => {});
}
