/**
 * The server with a saga in it, as a process: clients tear their connections, and the server is stopped, at moments that a seed decides.
 * Afterwards the banks are asked.
 */
import { request } from "node:http";
import { connect } from "node:net";
import { time } from "headgate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chance } from "../../docs/examples/transfer/chance.ts";
import { startService } from "../../docs/examples/transfer/services.ts";
import { bundled, folder, Program } from "./program.ts";

const [path, remove] = folder();
let file: string;
beforeAll(async () => {
  file = await bundled("server.ts", path);
});
afterAll(remove);

/** What the client learns: the status, or undefined if it has left, or was left. It leaves after so many ms. */
function post(url: string, ms: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const posting = request(url, { method: "POST", agent: false }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode));
    });
    const leaving = time.afterFunc(ms, () => posting.destroy());
    posting.on("error", () => {}).on("close", () => (leaving.stop(), resolve(undefined)));
    posting.end();
  });
}

interface Scenario {
  readonly seed: number;
  /** Times of the server; none: its own. */
  readonly env?: Record<string, string>;
  /** Whether a second signal follows at once. */
  readonly twice?: boolean;
  /** ms that clients stay at most. */
  readonly patience: number;
  /** Whether each transfer is asked for a second time, with the same id, soon after the first, by somebody who stays. */
  readonly again?: boolean;
}

const CLIENTS = 60;

/** Resolves when nobody takes connections at this url any more: the server has got its signal. */
async function stopped(url: string): Promise<void> {
  for (let isThere = true; isThere;) {
    isThere = await new Promise((resolve) => {
      const socket = connect(Number(new URL(url).port), "127.0.0.1");
      socket.on("connect", () => (socket.destroy(), resolve(true))).on("error", () => resolve(false));
    });
  }
}

/**
 * Clients come, two at a time; at the request to a bank that the seed says the server gets its signal. That request is not answered
 * before the server knows, so there is always one that is under way.
 */
async function play({ seed, env = {}, twice = false, patience, again = false }: Scenario) {
  const stopAt = 10 + Math.floor(60 * chance(seed, "stop"));
  let requests = 0;
  const heard = async (): Promise<void> => {
    if (++requests !== stopAt) return;
    server.kill("SIGTERM");
    if (twice) time.afterFunc(2, () => server.kill("SIGTERM"));
    await stopped(url);
  };
  const banks = [await startService({ seed, heard }), await startService({ seed: seed + 1000, heard })];
  const server = new Program(
    file,
    banks.map(({ url }) => url),
    env,
  );
  const url = await server.firstLine();
  const statuses = new Map<string, number | undefined>();
  const clients = Array.from({ length: 2 }, async (_, client) => {
    for (let i = client; i < CLIENTS; i += 2) {
      const id = `t${i}`;
      const posting = post(`${url}/transfers/${id}`, patience * chance(seed, "leave", i));
      if (again) {
        await time.sleep(patience * chance(seed, "again", i));
        statuses.set(id, await post(`${url}/transfers/${id}`, 10_000));
      }
      const status = await posting;
      if (!again) statuses.set(id, status);
    }
  });
  await Promise.all(clients);
  if (requests < stopAt) server.kill("SIGTERM");
  const end = await server.ended;
  await Promise.all(banks.map((bank) => bank.close()));
  const lines = end.lines.slice(1).map((line) => JSON.parse(line) as Record<string, unknown>);
  const ids = [...statuses.keys()];
  const [debits, credits] = banks.map(({ applied }) => applied) as [ReadonlySet<string>, ReadonlySet<string>];
  return {
    end,
    statuses,
    account: lines.at(-1) as Record<"committed" | "compensated" | "dead-lettered" | "lost", number>,
    letters: lines.slice(0, -1).map(({ letter }) => String(letter)),
    done: ids.filter((id) => debits.has(`${id}:debit`) && credits.has(`${id}:credit`)),
    halfDone: ids.filter((id) => debits.has(`${id}:debit`) !== credits.has(`${id}:credit`)),
  };
}

describe("the example of the server", () => {
  it.each([1, 2, 3])("leaves no half-done pair, whenever clients leave and it is stopped: seed %i", async (seed) => {
    const { end, account, letters, halfDone, done } = await play({ seed, patience: 40 });
    expect({ halfDone, letters, code: end.code, errors: end.errors }).toEqual({
      halfDone: [],
      letters: [],
      code: 0,
      errors: "",
    });
    expect(done).toHaveLength(account.committed);
    expect(account.compensated).toBeGreaterThan(0);
  });

  it("tells its clients the truth: what it calls done is done, and what it calls compensated is not", async () => {
    const { statuses, done } = await play({ seed: 4, patience: 10_000 });
    for (const [id, status] of statuses) {
      if (status === 201) expect(done).toContain(id);
      if (status === 409) expect(done).not.toContain(id);
    }
    expect([...statuses.values()]).toContain(201);
  });

  it.each([11, 12, 13])("asked again with the same id, tells what became of it: seed %i", async (seed) => {
    const { statuses, done, halfDone, account } = await play({ seed, patience: 40, again: true });
    expect(halfDone).toEqual([]);
    for (const [id, status] of statuses) {
      if (status === 201) expect(done).toContain(id);
      if (status === 409) expect(done).not.toContain(id);
    }
    expect(done).toHaveLength(account.committed);
    expect(account.committed + account.compensated).toBeLessThanOrEqual(CLIENTS);
  });

  it("undoes what is begun when the deadline of a request is over, and says so to its client", async () => {
    const { end, statuses, account, done, halfDone, letters } = await play({
      seed: 14,
      patience: 10_000,
      env: { DEADLINE: "8" },
    });
    expect({ halfDone, letters, code: end.code, done: done.length }).toEqual({
      halfDone: [],
      letters: [],
      code: 0,
      done: account.committed,
    });
    expect(account.compensated).toBeGreaterThan(0);
    expect([...statuses.values()]).toContain(409);
  });

  it("when it stops, tells who asks again nothing of what has become of a transfer that runs on", async () => {
    let again: Promise<string> | undefined;
    const heard = async (): Promise<void> => {
      if (again !== undefined) return;
      server.kill("SIGTERM");
      await stopped(url);
      again = new Promise((resolve) => early.on("data", (answer) => resolve(String(answer).split("\r\n")[0]!)));
      early.write("\r\n");
      await again;
    };
    const banks = [await startService({ seed: 15, heard }), await startService({ seed: 16 })];
    const server = new Program(
      file,
      banks.map(({ url }) => url),
    );
    const url = await server.firstLine();
    // Nobody connects to a server that stops; but who has connected before may still ask.
    const early = connect(Number(new URL(url).port), "127.0.0.1");
    early.write("POST /transfers/t1 HTTP/1.1\r\nhost: localhost\r\n");
    expect(await post(`${url}/transfers/t1`, 10_000)).toBe(201);
    expect(await again).toBe("HTTP/1.1 503 Service Unavailable");
    await server.ended;
    await Promise.all(banks.map((bank) => bank.close()));
  });

  it.each([5, 6])("without time to drain, ends the requests and undoes what they have begun: seed %i", async (seed) => {
    const { end, account, halfDone, letters } = await play({ seed, patience: 10_000, env: { DRAIN: "0" } });
    expect({ halfDone, letters, code: end.code }).toEqual({ halfDone: [], letters: [], code: 0 });
    expect(account.compensated).toBeGreaterThan(0);
  });

  it.each([7, 8])("at a second signal drains no longer, and undoes what is begun: seed %i", async (seed) => {
    // No exit code is expected: the signal may come when the account is printed, and the process is about to end.
    const { account, done, halfDone, letters } = await play({ seed, patience: 10_000, twice: true });
    expect({ halfDone, letters, done: done.length }).toEqual({ halfDone: [], letters: [], done: account.committed });
  });

  it.each([9, 10])("without time to undo, writes a letter for what may be half-done: seed %i", async (seed) => {
    const env = { DRAIN: "0", WINDOW: "0" };
    const { end, account, halfDone, letters } = await play({ seed, patience: 10_000, env });
    for (const id of halfDone) expect(letters.some((key) => key.startsWith(`${id}:`))).toBe(true);
    expect(letters.length).toBeGreaterThan(0);
    expect([end.code, account.lost]).toEqual([0, 0]);
  });

  it("runs by itself, with banks of its own, and ends at the signal", async () => {
    const server = new Program(file, []);
    expect(await post(`${await server.firstLine()}/transfers/t1`, 10_000)).toBe(201);
    server.kill("SIGTERM");
    const { code, lines } = await server.ended;
    expect([code, JSON.parse(lines.at(-1)!)]).toEqual([
      0,
      { committed: 1, compensated: 0, "dead-lettered": 0, lost: 0 },
    ]);
  });
});
