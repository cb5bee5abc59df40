/**
 * The source of PostgreSQL, on a pool in memory: what it does with time, with stops, and with connections that fail. That its statements
 * are right is shown with a server, in test/brokers/postgres.test.mjs.
 */
import { context } from "headgate";
import {
  createQueue,
  type PostgresClient,
  type PostgresPool,
  postgresQueue,
  type PostgresQueueOptions,
  schema,
} from "headgate/worker/postgres";
import { describe, expect, it } from "vitest";
import { elapse, isPending, timersSet, virtualTime } from "../support/clock.ts";

const ctx = context.background();

type Rows = readonly Record<string, unknown>[];
type Told = (message: { channel: string; payload?: string | undefined }) => void;

/** A connection that was made to listen. */
class Client implements PostgresClient {
  readonly said: string[] = [];
  released = 0;
  private readonly listeners: Record<string, Told> = {};

  query = (text: string): Promise<{ rows: Rows }> => {
    this.said.push(text);
    return Promise.resolve({ rows: [] });
  };

  on = (event: string, listener: unknown): unknown => (this.listeners[event] = listener as Told);

  release = (): void => {
    this.released++;
  };

  emit(event: string, payload?: string): void {
    this.listeners[event]!({ channel: "headgate_messages", payload });
  }
}

/** A pool whose answers are those of the test: the next in the list for a pull, everything asked for by a verdict. */
class Pool implements PostgresPool {
  readonly options: { max: number } = { max: 10 };
  readonly pulls: (Rows | Promise<Rows> | Error)[] = [];
  readonly queries: { readonly text: string; readonly values: unknown[] }[] = [];
  readonly clients: Client[] = [];
  refuses = false;

  query = async (text: string, values: unknown[] = []): Promise<{ rows: Rows }> => {
    this.queries.push({ text, values });
    if (!text.includes("skip locked")) return { rows: (values[0] as string[]).map((id) => ({ id })) };
    const next = this.pulls.shift() ?? nothing();
    if (next instanceof Error) throw next;
    return { rows: await next };
  };

  connect = async (): Promise<Client> => {
    if (this.refuses) throw new Error("refused");
    const client = new Client();
    this.clients.push(client);
    return client;
  };

  get looks(): number {
    return this.queries.filter(({ text }) => text.includes("skip locked")).length;
  }
}

const row = (id: string, more: object = {}): Rows[number] => {
  return {
    id,
    deliveries: 1,
    attempt: 1,
    body: `body ${id}`,
    key: null,
    attributes: null,
    wait: null,
    busy: false,
    ...more,
  };
};
const nothing = (wait: number | null = null, busy: boolean = false): Rows => [{ ...row("", { wait, busy }), id: null }];
/** The name of the note that a call leaves. */
const note: unknown = expect.stringMatching(/^[-0-9a-f]{36}:\d+$/);
const error = (code: string): Error => Object.assign(new Error(`error ${code}`), { code });

const refusals: [string, unknown, RegExp][] = [
  ["no options object", null, /options object/],
  ["a table with a quote", { table: 'jobs"; drop table users; --' }, /table must be a name/],
  ["a table with two dots", { table: "a.b.c" }, /table must be a name/],
  ["an empty table", { table: "" }, /table must be a name/],
  ["a table that is no text", { table: 7 }, /table must be a name.*got 7/],
  ["a name too long for its indexes", { table: "t".repeat(51) }, /up to 50/],
  ["an empty queue", { queue: "" }, /queue must be a text/],
  ["a queue with NUL", { queue: "a\0b" }, /queue must be a text/],
  ["a lease of 0", { lease: 0 }, /lease must be a positive number/],
  ["an endless lease", { lease: Infinity }, /lease must be a positive number/],
  ["a poll that is no number", { poll: "1" }, /poll must be a positive number/],
  ["listen that is no boolean", { listen: "no" }, /listen must be true or false/],
  ["an option that is misspelt", { leaseMs: 5 }, /no option leaseMs; there are table, queue, lease, poll, listen/],
];

describe("postgresQueue", () => {
  it.each(refusals)("refuses %s", (_, options, rule) => {
    expect(() => postgresQueue(new Pool(), options as PostgresQueueOptions)).toThrow(rule);
  });

  it("refuses what is no pool", () => {
    expect(() => postgresQueue({ query: () => {} } as unknown as PostgresPool)).toThrow(/pool of pg/);
    const client = { query: () => {}, connect: () => {}, escapeLiteral: () => {} };
    expect(() => postgresQueue(client as unknown as PostgresPool)).toThrow(/must be a pool of pg.*got a client/);
  });

  it("sends nothing before its first call", () => {
    const pool = new Pool();
    postgresQueue(pool);
    expect([pool.queries, pool.clients]).toEqual([[], []]);
  });
});

describe("the tables", () => {
  it("have the names of the option, in quotes", () => {
    const sql = schema({ table: "app.Jobs" });
    expect(sql).toContain('create table if not exists "app"."Jobs" (');
    expect(sql).toContain('create table if not exists "app"."Jobs_dead" (');
    expect(sql).toContain('create unique index if not exists "Jobs_leased" on "app"."Jobs"');
  });

  it("are refused a name that is none, by both who make them", async () => {
    expect(() => schema({ table: "a b" })).toThrow(TypeError);
    await expect(createQueue(new Pool(), { table: "a b" })).rejects.toThrow(/createQueue: table/);
    expect(() => schema({ tabel: "a" } as object)).toThrow(/schema: there is no option tabel; there are table/);
    await expect(createQueue(new Pool(), { tabel: "a" } as object)).rejects.toThrow(
      /createQueue: there is no option tabel/,
    );
    await expect(createQueue(undefined as never)).rejects.toThrow(/createQueue: the first argument must be a pool/);
  });
});

describe("a pull", () => {
  virtualTime();

  it("hands over the rows, without what they do not have", async () => {
    const pool = new Pool();
    pool.pulls.push([row("7", { deliveries: 3, attempt: 2, key: "k", attributes: '{"colour": "red"}' }), row("8")]);
    expect(await postgresQueue(pool).pull(ctx, 10)).toEqual([
      { id: "7.3", body: "body 7", attempt: 2, key: "k", attributes: { colour: "red" } },
      { id: "8.1", body: "body 8", attempt: 1 },
    ]);
  });

  it("looks again when the next message is due, and not a ms before", async () => {
    const pool = new Pool();
    pool.pulls.push(nothing(399.2), [row("1")]);
    const pulled = postgresQueue(pool, { listen: false }).pull(ctx, 1);
    await elapse(399);
    expect(await isPending(pulled)).toBe(true);
    await elapse(1);
    expect(await pulled).toMatchObject([{ id: "1.1" }]);
    expect(pool.looks).toBe(2);
  });

  it("looks again after the poll if nothing is known to come", async () => {
    const pool = new Pool();
    pool.pulls.push(nothing(), nothing(90_000), [row("1")]);
    const pulled = postgresQueue(pool, { listen: false, poll: 250 }).pull(ctx, 1);
    await elapse(499);
    expect(await isPending(pulled)).toBe(true);
    await elapse(1);
    expect(await pulled).toMatchObject([{ id: "1.1" }]);
  });

  it("looks again soon where another pull is about to take what is due", async () => {
    const pool = new Pool();
    pool.pulls.push(nothing(null, true), [row("1")]);
    const pulled = postgresQueue(pool, { listen: false }).pull(ctx, 1);
    await elapse(20);
    expect(await pulled).toMatchObject([{ id: "1.1" }]);
  });

  it("begins among the keys where the last one ended", async () => {
    const pool = new Pool();
    const source = postgresQueue(pool);
    pool.pulls.push(
      [row("1", { key: "c" }), row("2", { key: "b" }), row("3")],
      [row("4", { key: "a" }), row("5", { key: "d" })],
    );
    for (let i = 0; i < 2; i++) await source.pull(ctx, 3);
    pool.pulls.push([row("6")]);
    await source.pull(ctx, 3);
    expect(pool.queries.map(({ values }) => values[3])).toEqual(["", "c", "a"]);
  });

  it("looks for messages without keys alone while there are some, for a tenth of a second after there were no others", async () => {
    const pool = new Pool();
    const source = postgresQueue(pool);
    /** The ids that a pull brings, and how many of its statements looked for keys. */
    const pull = async (...answers: Rows[]) => {
      pool.pulls.push(...answers);
      pool.queries.length = 0;
      const got = await source.pull(ctx, 1);
      return [got[0]!.id, pool.queries.length, pool.queries.filter(({ text }) => text.includes("recursive")).length];
    };
    expect(await pull([row("1", { keyed: true })])).toEqual(["1.1", 1, 1]);
    expect(await pull([row("2", { keyed: false })])).toEqual(["2.1", 1, 1]);
    expect(await pull([row("3")])).toEqual(["3.1", 1, 0]);
    expect(await pull([], [row("4", { keyed: true })])).toEqual(["4.1", 2, 1]);
    await elapse(100);
    expect(await pull([row("5", { keyed: false })])).toEqual(["5.1", 1, 1]);
    await elapse(99);
    expect(await pull([row("6")])).toEqual(["6.1", 1, 0]);
    await elapse(1);
    expect(await pull([row("7", { keyed: true })])).toEqual(["7.1", 1, 1]);
  });

  it("is made again if another transaction was quicker with the same key, and rejects if that does not end", async () => {
    const pool = new Pool();
    const source = postgresQueue(pool);
    pool.pulls.push(error("23505"), error("40P01"), [row("1")]);
    expect(await source.pull(ctx, 1)).toMatchObject([{ id: "1.1" }]);
    pool.pulls.push(...Array.from({ length: 9 }, () => error("23505")));
    await expect(source.pull(ctx, 1)).rejects.toThrow("error 23505");
    expect(pool.pulls.length).toBe(4);
  });

  it("rejects as the query does", async () => {
    const pool = new Pool();
    pool.pulls.push(error("57P01"));
    await expect(postgresQueue(pool).pull(ctx, 1)).rejects.toThrow("error 57P01");
  });

  it("returns nothing when its ctx ends while it waits, and leaves no timer", async () => {
    const pool = new Pool();
    const [stopping, stop] = context.withCancel(ctx);
    const pulled = postgresQueue(pool, { listen: false }).pull(stopping, 1);
    await elapse(0);
    stop();
    expect(await pulled).toEqual([]);
    expect(timersSet()).toBe(0);
  });

  it("sends nothing under a ctx that has ended", async () => {
    const pool = new Pool();
    const [ended, end] = context.withCancel(ctx);
    end();
    expect(await postgresQueue(pool).pull(ended, 1)).toEqual([]);
    expect(pool.queries).toEqual([]);
  });
});

describe("a pull that is stopped while its statement is under way", () => {
  virtualTime();

  /** A pull whose ctx has ended, and the end of its statement. */
  const stopped = async (): Promise<{
    pool: Pool;
    source: ReturnType<typeof postgresQueue>;
    pulled: Promise<readonly unknown[]>;
    answer: (rows: Rows) => void;
    fail: (error: Error) => void;
  }> => {
    const pool = new Pool();
    let answer!: (rows: Rows) => void;
    let fail!: (error: Error) => void;
    pool.pulls.push(
      new Promise((resolve, reject) => {
        answer = resolve;
        fail = reject;
      }),
    );
    const source = postgresQueue(pool, { listen: false });
    const [stopping, stop] = context.withCancel(ctx);
    const pulled = source.pull(stopping, 10);
    await elapse(0);
    stop();
    await elapse(0);
    return { pool, source, pulled, answer, fail };
  };
  const givenBack = (pool: Pool): unknown[] =>
    pool.queries.filter(({ text }) => text.includes("releases +")).map(({ values }) => values);

  it("waits for it, and hands over what it leased", async () => {
    const { pool, pulled, answer } = await stopped();
    expect(await isPending(pulled)).toBe(true);
    answer([row("1")]);
    expect(await pulled).toMatchObject([{ id: "1.1" }]);
    expect(givenBack(pool)).toEqual([]);
  });

  it("returns after half a second without it; what comes then is given back, at no cost", async () => {
    const { pool, pulled, answer } = await stopped();
    await elapse(500);
    expect(await pulled).toEqual([]);
    answer([row("1"), row("2")]);
    await elapse(0);
    expect(givenBack(pool)).toEqual([[["1", "2"], ["1", "1"], "default", [0, 0], [1, 1], note, []]]);
  });

  it("returns after half a second without it; what comes then is handed over by the pull that waits", async () => {
    const { pool, source, pulled, answer } = await stopped();
    await elapse(500);
    await pulled;
    const next = source.pull(ctx, 1);
    await elapse(0);
    answer([row("1"), row("2")]);
    expect(await next).toMatchObject([{ id: "1.1" }]);
    // What is too much for it is not kept for a pull that may never be.
    expect(givenBack(pool)).toEqual([[["2"], ["1"], "default", [0], [1], note, []]]);
  });

  it("does not reject because the statement does", async () => {
    const { pulled, fail } = await stopped();
    await elapse(500);
    fail(new Error("cut"));
    expect(await pulled).toEqual([]);
  });
});

describe("a verdict", () => {
  virtualTime();

  const held = { id: "7.3", body: "", attempt: 1 };

  it("names the row and the number of the delivery", async () => {
    const pool = new Pool();
    const source = postgresQueue(pool, { lease: 1_000 });
    expect(await source.ack(ctx, [held])).toEqual([]);
    await source.extend(ctx, [held]);
    await source.nack(ctx, [{ delivery: held, delay: 50, reason: "failed" }]);
    expect(pool.queries.map(({ values }) => values)).toEqual([
      [["7"], ["3"], "default", note, []],
      [["7"], ["3"], 1_000],
      [["7"], ["3"], "default", [50], [0], note, [pool.queries[0]!.values[3]]],
    ]);
    expect(pool.queries[2]!.values[5]).not.toBe(pool.queries[0]!.values[3]);
  });

  it("returns those that the server does not know as ours", async () => {
    const pool = new Pool();
    pool.query = async () => ({ rows: [{ id: "8" }] });
    const other = { ...held, id: "8.1" };
    expect(await postgresQueue(pool).ack(ctx, [held, other])).toEqual([held]);
  });

  it("on nothing sends nothing; under a ctx that has ended rejects with its error, and sends nothing", async () => {
    const pool = new Pool();
    const source = postgresQueue(pool);
    expect(await source.ack(ctx, [])).toEqual([]);
    const [ended, end] = context.withCancel(ctx);
    end();
    await expect(source.ack(ended, [held])).rejects.toBe(ended.err());
    expect(pool.queries).toEqual([]);
  });

  it("rejects when its ctx ends before the server has answered", async () => {
    const pool = new Pool();
    pool.query = () => new Promise(() => {});
    const [limit, cancel] = context.withTimeout(ctx, 100);
    const told = postgresQueue(pool).ack(limit, [held]);
    told.catch(() => {});
    await elapse(100);
    await expect(told).rejects.toBe(limit.err());
    cancel();
  });

  it("that is repeated before the first was answered counts if either does", async () => {
    const pool = new Pool();
    const answers: ((rows: Rows) => void)[] = [];
    pool.query = () => new Promise((resolve) => answers.push((rows) => resolve({ rows })));
    const source = postgresQueue(pool);
    for (const first of [[{ id: "7" }], []]) {
      const delivery = { ...held };
      const [limit, cancel] = context.withTimeout(ctx, 100);
      const given = [source.ack(limit, [delivery]), source.ack(limit, [delivery])];
      for (const told of given) told.catch(() => {});
      await elapse(100);
      for (const told of given) await expect(told).rejects.toBe(limit.err());
      const again = source.ack(ctx, [delivery]);
      answers.pop()!([]);
      await elapse(0);
      // There is no note of it yet.
      answers.pop()!([]);
      expect(await isPending(again)).toBe(true);
      answers.pop()!([]);
      answers.pop()!(first);
      expect(await again).toEqual(first.length > 0 ? [] : [delivery]);
      cancel();
    }
  });

  it("that failed with its connection does not count when it is repeated and is lost", async () => {
    const pool = new Pool();
    const source = postgresQueue(pool);
    pool.query = async () => {
      throw new Error("cut");
    };
    await expect(source.ack(ctx, [held])).rejects.toThrow("cut");
    pool.query = async () => ({ rows: [] });
    expect(await source.ack(ctx, [held])).toEqual([held]);
  });

  it("whose answer was lost with its connection counts when it is repeated, if its note is there", async () => {
    const pool = new Pool();
    const source = postgresQueue(pool);
    const other = { ...held, id: "8.1" };
    pool.query = async () => {
      throw new Error("cut");
    };
    await expect(source.ack(ctx, [held, other])).rejects.toThrow("cut");
    let asked: unknown;
    pool.query = async (text, values) => {
      if (!text.includes("g.id <> all")) return { rows: [] };
      asked = values;
      return { rows: [{ id: "7" }] };
    };
    expect(await source.extend(ctx, [held, other])).toEqual([]);
    expect(await source.ack(ctx, [held, other])).toEqual([other]);
    expect(asked).toEqual([
      [note, note],
      ["7", "8"],
    ]);
    // Now that this is known, it is as lost as any other.
    expect(await source.extend(ctx, [other])).toEqual([other]);
  });

  it("of death that is refused is sent in a smaller form, and does not hold up the others of its call", async () => {
    const pool = new Pool();
    const source = postgresQueue(pool);
    const all = ["1.1", "2.1", "3.1", "4.1", "5.1"].map((id) => ({ ...held, id }));
    const items = all.map((delivery) => ({ delivery, error: "caf\u00e9" }));
    const told: string[] = [];
    /** Takes 2 with plain characters alone, and 4 never. */
    pool.query = async (_text, values) => {
      const [ids, , , reasons] = values as [string[], string[], string, string[]];
      for (const [i, id] of ids.entries()) {
        if (id === "4" || (id === "2" && reasons[i]!.includes("\u00e9"))) throw error("22P05");
      }
      told.push(...ids.map((id, i) => `${id} ${reasons[i]}`));
      return { rows: ids.map((id) => ({ id })) };
    };
    await expect(source.deadLetter(ctx, items)).rejects.toThrow(/1 of 5 dead letters were refused: error 22P05/);
    expect(told.sort()).toEqual(["1 caf\u00e9", "2 caf?", "3 caf\u00e9", "5 caf\u00e9"]);
    // Repeated, those that were taken have counted, though the server does not know them any more.
    pool.query = async () => ({ rows: [] });
    expect(await source.deadLetter(ctx, items)).toEqual([all[3]]);
  });

  it.each([
    ["42P01", /the ack failed: a table of the queue is missing; create it with createQueue.*says: error 42P01/],
    ["42501", /lacks a right; grant/],
    ["25006", /is read-only, like a replica/],
    ["28P01", /does not accept the user name or the password/],
  ])("that fails with %s says what is wrong, and what to do", async (code, says) => {
    const pool = new Pool();
    pool.query = async () => {
      throw error(code);
    };
    await expect(postgresQueue(pool).ack(ctx, [held])).rejects.toThrow(says);
    await expect(postgresQueue(pool).ack(ctx, [held])).rejects.toMatchObject({ code, cause: error(code) });
  });

  it("of extend is lost when the server says so, whatever it said before", async () => {
    const pool = new Pool();
    const source = postgresQueue(pool);
    const [limit, cancel] = context.withCancel(ctx);
    let answer!: (result: { rows: Rows }) => void;
    pool.query = () => new Promise((resolve) => (answer = resolve));
    const extended = source.extend(limit, [held]);
    extended.catch(() => {});
    await elapse(0);
    cancel();
    await expect(extended).rejects.toBe(limit.err());
    answer({ rows: [{ id: "7" }] });
    pool.query = async () => ({ rows: [] });
    expect(await source.extend(ctx, [held])).toEqual([held]);
  });

  it("of death says why, without what PostgreSQL does not take", async () => {
    const pool = new Pool();
    await postgresQueue(pool).deadLetter(ctx, [
      { delivery: held, error: new Error("poi\0son \ud83d", { cause: "root" }) },
    ]);
    const [reason] = pool.queries[0]!.values[3] as string[];
    expect(reason).toBe("Error: poi son \ufffd; caused by root");
  });
});

describe("the connection that listens", () => {
  virtualTime();

  it("wakes the pulls of the queue that is named, and no others", async () => {
    const pool = new Pool();
    const pulls = ["a", "b"].map((queue) => postgresQueue(pool, { queue, poll: 60_000 }).pull(ctx, 1));
    await elapse(0);
    expect(pool.clients.map(({ said }) => said)).toEqual([['listen "headgate_messages"']]);
    pool.pulls.push([row("1")]);
    const looks = pool.looks;
    pool.clients[0]!.emit("notification", "b");
    expect(await pulls[1]).toMatchObject([{ id: "1.1" }]);
    expect(pool.looks).toBe(looks + 1);
    expect(await isPending(pulls[0]!)).toBe(true);
  });

  it("has a pull look once more when it listens: it may have missed something", async () => {
    const pool = new Pool();
    pool.pulls.push(nothing(), [row("1")]);
    expect(await postgresQueue(pool, { poll: 60_000 }).pull(ctx, 1)).toMatchObject([{ id: "1.1" }]);
  });

  it.each(["error", "end"])("is made again a second after its %s, while one and the same pull waits", async (event) => {
    const pool = new Pool();
    const pulled = postgresQueue(pool, { poll: 60_000 }).pull(ctx, 1);
    await elapse(0);
    const before = pool.looks;
    pool.clients[0]!.emit(event);
    await elapse(0);
    expect([pool.looks - before, pool.clients.length, pool.clients[0]!.released]).toEqual([1, 1, 1]);
    await elapse(1_000);
    expect(pool.clients.length).toBe(2);
    pool.pulls.push([row("1")]);
    pool.clients[1]!.emit("notification", "default");
    expect(await pulled).toMatchObject([{ id: "1.1" }]);
  });

  it("is tried again every second if it cannot be made", async () => {
    const pool = new Pool();
    pool.refuses = true;
    const [stopping, stop] = context.withCancel(ctx);
    const pulled = postgresQueue(pool, { poll: 60_000 }).pull(stopping, 1);
    await elapse(2_500);
    pool.refuses = false;
    await elapse(1_000);
    expect(pool.clients.length).toBe(1);
    stop();
    await pulled;
  });

  it("goes a second after the last pull, or with close", async () => {
    for (const end of ["a second", "close"]) {
      const pool = new Pool();
      const source = postgresQueue(pool);
      const [waiting, cancel] = context.withTimeout(ctx, 300);
      const pulled = source.pull(waiting, 1);
      await elapse(300);
      await pulled;
      cancel();
      await elapse(999);
      expect(pool.clients[0]!.released).toBe(0);
      if (end === "close") source.close();
      else await elapse(1);
      expect(pool.clients[0]!.released).toBe(1);
      expect(timersSet()).toBe(0);
    }
  });

  it("is not made over a pool of one connection", async () => {
    const pool = new Pool();
    pool.options.max = 1;
    const [waiting, cancel] = context.withTimeout(ctx, 5_000);
    const pulled = postgresQueue(pool).pull(waiting, 1);
    await elapse(5_000);
    expect(await pulled).toEqual([]);
    expect(pool.clients).toEqual([]);
    expect(pool.looks).toBe(5);
    cancel();
  });

  it("a pull that waits rejects when its source is closed, and so do later ones", async () => {
    const source = postgresQueue(new Pool());
    const pulled = source.pull(ctx, 1);
    pulled.catch(() => {});
    await elapse(0);
    source.close();
    await expect(pulled).rejects.toThrow("pull after close()");
    await expect(source.pull(ctx, 1)).rejects.toThrow("pull after close()");
  });
});
