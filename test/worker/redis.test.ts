/**
 * The source of Redis, without a server: its options, and the answers of the clients. Everything else is tested with a server, in
 * test/brokers.
 */
import { context, time } from "headgate";
import { type RedisClient, redisStream, type RedisStreamOptions } from "headgate/worker/redis";
import { afterEach, describe, expect, it } from "vitest";
import { elapse, isPending, settle, timersSet, virtualTime } from "../support/clock.ts";

type Answer = (args: readonly string[]) => unknown;

/** The answers of a server with nothing to deliver again, and one new message. */
const answers: Record<string, Answer> = {
  CLIENT: () => "id=7 addr=127.0.0.1:5 db=0 sub=0",
  EVAL: () => ["0-0", -1, []],
  XREADGROUP: () => [["s", [["9-0", ["body", "new"]]]]],
};
const never = (): Promise<never> => new Promise(() => {});

const close: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of close.splice(0)) await end();
});

/**
 * A client with these answers, and a source over it. `form`: "node" is the package redis, "io" is ioredis. `more`: further members of the
 * client.
 */
function sourceOf(
  given: Record<string, Answer> = {},
  options: Partial<RedisStreamOptions> = {},
  form: "node" | "io" = "node",
  more: object = {},
) {
  const sent: (readonly string[])[] = [];
  const mappings = new Set<unknown>();
  const duplicates: object[] = [];
  const send = async (...args: string[]): Promise<unknown> => {
    sent.push(args);
    return { ...answers, ...given }[args[0]!]!(args);
  };
  const sendCommand = (args: string[], mapping: unknown): Promise<unknown> => {
    mappings.add(mapping);
    return send(...args);
  };
  const client = {
    ...(form === "node" ? { sendCommand } : { call: send }),
    options: { socket: { host: "h", reconnectStrategy: 5 } },
    duplicate: (options: object) => {
      duplicates.push(options);
      return client;
    },
    on: () => {},
    connect: async () => {},
    disconnect: () => {},
    ...more,
  };
  const source = redisStream(client as unknown as RedisClient, { stream: "s", group: "g", consumer: "me", ...options });
  close.push(source.close);
  return { source, sent, duplicates, mappings };
}

/** Waits until it is so, however many turns of the event loop that takes. */
async function isSo(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await time.sleep(1);
}

const soon = (ms = 10_000) => context.withTimeout(context.background(), ms)[0];

describe("redisStream", () => {
  it("rejects wrong arguments at once, with the reason", () => {
    expect(() => redisStream({} as never, { stream: "s", group: "g" })).toThrow(
      /client of the package redis or ioredis/,
    );
    expect(() => redisStream(undefined as never, { stream: "s", group: "g" })).toThrow(TypeError);
    for (const [options, message] of [
      [{ stream: "" }, /stream must be a text/],
      [{ group: undefined }, /group must be a text/],
      [{ consumer: "" }, /consumer must be a text/],
      [{ deadLetters: 3 }, /deadLetters must be a text/],
      [{ lease: 0 }, /lease must be a whole number of ms from 1; got 0/],
      [{ lease: 1.5 }, /lease must be/],
      [{ lease: Infinity }, /lease must be/],
      [{ settled: "drop" }, /settled must be/],
      [{ ordering: "worker" }, /ordering must be "group" or "consumer"; got the string "worker"/],
      [{ body: "key" }, /cannot both be in the field key/],
      [{ dead: "x" }, /there is no option dead; there are stream, group, consumer, lease, deadLetters/],
    ] as const) {
      expect(() => sourceOf({}, options as never), String(message)).toThrow(message);
    }
    expect(() => redisStream({ call: () => {}, duplicate: () => {} } as never, undefined as never)).toThrow(
      /options object/,
    );
  });

  it.each<[what: string, more: object]>([
    ["a cluster of ioredis", { isCluster: true }],
    ["a cluster of redis", { slots: [] }],
    ["sentinels of redis", { getSentinelNode: () => {} }],
  ])("refuses the client of %s", (_, more) => {
    expect(() => sourceOf({}, {}, "node", more)).toThrow(/must be that of one server/);
    expect(() => sourceOf({}, {}, "io", { isCluster: false })).not.toThrow();
  });

  it("does nothing before the first pull", () => {
    const { sent, duplicates } = sourceOf();
    expect([sent, duplicates]).toEqual([[], []]);
  });

  it("has deadLetter if it has a stream for dead letters", () => {
    expect(sourceOf().source.deadLetter).toBeUndefined();
    expect(sourceOf({}, { deadLetters: "dead" }).source.deadLetter).toBeTypeOf("function");
  });

  it("publishes body, key and attributes as fields, and no attribute in place of the first two", async () => {
    const { source, sent } = sourceOf({ XADD: () => "1-0" });
    expect(await source.publish("b", { key: "k", attributes: { colour: "red" } })).toBe("1-0");
    expect(sent).toEqual([["XADD", "s", "*", "body", "b", "key", "k", "colour", "red"]]);
    await expect(source.publish("b", { attributes: { body: "x" } })).rejects.toThrow(/cannot be called body/);
    await expect(source.publish("b", { attributes: { key: "x" } })).rejects.toThrow(/cannot be called key/);
  });

  it("publishes texts only, and nothing with a misspelt option", async () => {
    const { source, sent } = sourceOf();
    for (const [body, options] of [
      [{ order: 7 }, {}],
      [undefined, {}],
      ["b", { key: 7 }],
      ["b", { attributes: { size: 7 } }],
    ] as const) {
      await expect(source.publish(body as never, options as never)).rejects.toThrow(/must be texts; got/);
    }
    await expect(source.publish("b", { attribute: {} } as never)).rejects.toThrow(/no option attribute; there are key/);
    expect(sent).toEqual([]);
  });
});

describe("a client", () => {
  it("that converts replies to bytes or texts does not do so for the source, which converts numbers itself", async () => {
    const { source, mappings } = sourceOf({
      EVAL: (args) => (args.at(-1) === "0-0" ? ["0-0", "-1", [["1-0", ["body", "b"], "3"]]] : "OK"),
    });
    expect(await source.pull(soon(), 1)).toMatchObject([{ body: "b", attempt: 3 }]);
    expect([...mappings]).toEqual([{ typeMapping: {} }]);
  });

  it("with a key prefix that sendCommand does not apply: all keys have it", async () => {
    const answers = { XADD: () => "1-0", XREADGROUP: () => [["app:s", [["1-0", ["body", "b"]]]]] };
    const { source, sent } = sourceOf(answers, { deadLetters: "dead" }, "node", { _keyPrefix: "app:" });
    await source.publish("b");
    await source.pull(soon(), 1);
    expect(
      sent
        .flat()
        .filter((word) => /^(app:)?(s|s:g:delayed)$/.test(word))
        .every((word) => word.startsWith("app:")),
    ).toBe(true);
    expect(sent.find(([command]) => command === "XREADGROUP")).toContain("app:s");
  });

  it("in legacy mode is used without it", async () => {
    const { source, duplicates, sent } = sourceOf({}, {}, "node", {
      options: { legacyMode: true },
      v4: { sendCommand: async ([command]: string[]) => answers[command!]!([]) },
    });
    await source.pull(soon(), 1);
    expect(duplicates).toMatchObject([{ legacyMode: false }]);
    expect(sent).toEqual([]);
  });

  it.each(["node", "io"] as const)(
    "that has selected a database since it was made: the pulls read from that one (%s)",
    async (form) => {
      let connections = 0;
      const { source, sent } = sourceOf(
        { CLIENT: () => `id=9 db=${++connections === 1 ? 3 : 0}`, SELECT: () => "OK" },
        {},
        form,
      );
      await source.pull(soon(), 1);
      expect(sent.slice(0, 3)).toEqual([
        ["CLIENT", "INFO"],
        ["CLIENT", "INFO"],
        ["SELECT", "3"],
      ]);
    },
  );
});

describe("the connection of the pulls", () => {
  it("is never repaired, and queues no command", async () => {
    const node = sourceOf();
    await node.source.pull(soon(), 1);
    expect(node.duplicates).toMatchObject([
      { disableOfflineQueue: true, socket: { host: "h", reconnectStrategy: false } },
    ]);
    const io = sourceOf({}, {}, "io");
    await io.source.pull(soon(), 1);
    expect(io.duplicates).toMatchObject([
      { enableOfflineQueue: false, retryStrategy: null, autoResendUnfulfilledCommands: false },
    ]);
  });

  it("has no time limits meant for other commands: a read may wait", async () => {
    const node = sourceOf({}, {}, "node", { options: { socket: { socketTimeout: 5 } } });
    await node.source.pull(soon(), 1);
    expect(node.duplicates).toEqual([
      expect.objectContaining({ commandOptions: {}, socket: { socketTimeout: undefined, reconnectStrategy: false } }),
    ]);
    const io = sourceOf({}, {}, "io");
    await io.source.pull(soon(), 1);
    const limits = { commandTimeout: undefined, socketTimeout: undefined, blockingTimeout: undefined };
    expect(io.duplicates).toEqual([expect.objectContaining(limits)]);
  });

  it("is made again after an error, with which the pull rejects", async () => {
    let fails = true;
    const { source, duplicates } = sourceOf({
      XREADGROUP: () => {
        if (!fails) return [["s", [["1-0", ["body", "b"]]]]];
        fails = false;
        throw new Error("Socket closed unexpectedly");
      },
    });
    await expect(source.pull(soon(), 1)).rejects.toThrow("Socket closed");
    expect(await source.pull(soon(), 1)).toMatchObject([{ body: "b" }]);
    expect(duplicates.length).toBe(2);
  });

  it("makes the group if there is none", async () => {
    let fails = true;
    const { source, sent } = sourceOf({
      XREADGROUP: () => {
        if (!fails) return [["s", [["1-0", ["body", "b"]]]]];
        fails = false;
        throw new Error("NOGROUP No such key 's' or consumer group 'g'");
      },
    });
    expect(await source.pull(soon(), 1)).toMatchObject([{ body: "b" }]);
    expect(sent.filter(([, text]) => text?.includes("MKSTREAM"))).toMatchObject([
      ["EVAL", expect.anything(), "3", "s", "s:g:delayed", "s:g:keys", "g"],
    ]);
  });
});

describe("a connection of the pulls that is not answered", () => {
  virtualTime();

  it("is given up after 5 s, and the pull rejects", async () => {
    const { source, duplicates } = sourceOf({}, {}, "node", { connect: never });
    const pulled = source.pull(context.background(), 1);
    pulled.catch(() => {});
    await elapse(4_999);
    expect(await isPending(pulled)).toBe(true);
    await elapse(1);
    await expect(pulled).rejects.toThrow("there is no connection");
    void source.pull(context.background(), 1).catch(() => {});
    await settle();
    expect(duplicates.length).toBe(2);
  });

  it("is given up when answers stop, by the pull and by a verdict, and another one is made", async () => {
    let isDeaf = false;
    const answering =
      (answer: (args: readonly string[]) => unknown): Answer =>
      (args) =>
        isDeaf ? never() : answer(args);
    const entries = [["s", [["1-0", ["body", "b"]]]]];
    let isThere = true;
    const { source, duplicates } = sourceOf({
      EVAL: answering((args) => (args.at(-1) === "0-0" ? ["0-0", -1, []] : [[], 0])),
      XREADGROUP: answering(() => (isThere ? entries : never())),
    });
    const got = await source.pull(context.background(), 1);
    isThere = false;
    isDeaf = true;
    const pulled = source.pull(context.background(), 1);
    const acked = source.ack(context.background(), got);
    for (const call of [pulled, acked]) call.catch(() => {});
    const says = "there is no connection: the server has not answered for 5000 ms";
    // A read may wait for a second.
    await elapse(5_999);
    await expect(acked).rejects.toThrow(`the ack failed: ${says}`);
    await elapse(1);
    await expect(pulled).rejects.toThrow(`the pull failed: ${says}`);
    isDeaf = false;
    isThere = true;
    expect(await source.ack(context.background(), got)).toEqual([]);
    expect(await source.pull(context.background(), 1)).toMatchObject([{ body: "b" }]);
    expect(duplicates.length).toBe(4);
  });

  it("is not waited for by close()", async () => {
    const { source } = sourceOf({}, {}, "node", { connect: never });
    const [ctx, cancel] = context.withCancel(context.background());
    const pulled = source.pull(ctx, 1);
    await settle();
    cancel();
    expect(await pulled).toEqual([]);
    await source.close();
    await source.close();
    expect(timersSet()).toBe(0);
  });
});

describe("close()", () => {
  virtualTime();

  it("waits until the messages of a read that no pull waits for are released", async () => {
    let answer!: (reply: unknown) => void;
    let settled!: (reply: unknown) => void;
    const { source, sent } = sourceOf({
      XREADGROUP: () => new Promise((resolve) => (answer = resolve)),
      EVAL: (args) => (args.at(-1) === "0-0" ? ["0-0", -1, []] : new Promise((resolve) => (settled = resolve))),
    });
    const [ctx, cancel] = context.withTimeout(context.background(), 100);
    const pulled = source.pull(ctx, 5);
    await elapse(1_000);
    expect(await pulled).toEqual([]);
    cancel();
    const closed = source.close();
    await elapse(100);
    answer([["s", [["1-0", ["body", "b"]]]]]);
    // It takes a connection for the verdicts; on a busy machine that is more than a turn.
    for (let i = 0; i < 50 && sent.at(-1)![0] !== "EVAL"; i++) await settle();
    expect(sent.at(-1)!.slice(-5)).toEqual(["1-0", "1", "", "0", "0"]);
    expect(await isPending(closed)).toBe(true);
    settled([[], 0]);
    await closed;
  });
});

describe("a pull", () => {
  const entries = [["1-0", ["body", "b", "key", "k", "colour", "red"]]];
  it.each([
    ["a list of pairs, as in RESP2", [["s", entries]]],
    ["an object, as in RESP3", { s: entries }],
    ["a Map", new Map([["s", entries]])],
    ["a flat list", ["s", entries]],
  ])("understands %s", async (_, reply) => {
    const { source } = sourceOf({ XREADGROUP: () => reply });
    expect(await source.pull(soon(), 5)).toEqual([
      { id: "1-0.1", entry: "1-0", body: "b", key: "k", attempt: 1, attributes: { colour: "red" } },
    ]);
  });

  it("takes the body and the key from the fields in the options", async () => {
    const { source } = sourceOf({ XREADGROUP: () => [["s", entries]] }, { body: "colour", key: "region" });
    const [delivery] = await source.pull(soon(), 5);
    expect(delivery).toEqual({
      id: "1-0.1",
      entry: "1-0",
      body: "red",
      attempt: 1,
      attributes: { body: "b", key: "k" },
    });
  });

  it("brings a message without a body all the same", async () => {
    const { source } = sourceOf({ XREADGROUP: () => [["s", [["1-0", ["a", "1"]]]]] });
    expect(await source.pull(soon(), 5)).toMatchObject([{ body: "", attributes: { a: "1" } }]);
  });

  it("rejects after close()", async () => {
    const { source } = sourceOf();
    await source.close();
    await expect(source.pull(soon(), 1)).rejects.toThrow("pull after close()");
  });
});

describe("a verdict", () => {
  /** A source that holds two messages, with this answer to verdicts. */
  const lab = async (evals: Answer) => {
    const made = sourceOf(
      {
        XREADGROUP: () => [
          [
            "s",
            [
              ["1-0", ["body", "a"]],
              ["2-0", ["body", "b"]],
            ],
          ],
        ],
        EVAL: (args) => (args.at(-1) === "0-0" ? ["0-0", -1, []] : evals(args)),
      },
      { deadLetters: "dead" },
    );
    return { ...made, got: await made.source.pull(soon(), 2) };
  };

  it("returns those that Redis reports as lost", async () => {
    const { source, got } = await lab(() => ["2-0"]);
    expect(await source.ack(soon(), got)).toEqual([got[1]]);
  });

  it("is not sent twice: the second time all are lost", async () => {
    const { source, got, sent } = await lab(() => []);
    expect(await source.ack(soon(), got)).toEqual([]);
    const before = sent.length;
    expect(await source.ack(soon(), got)).toEqual(got);
    expect(sent.length).toBe(before);
  });

  it("that failed can be sent again", async () => {
    let fails = true;
    const { source, got } = await lab(() => {
      if (fails) throw new Error("Connection is closed.");
      return [];
    });
    await expect(source.ack(soon(), got)).rejects.toThrow("closed");
    fails = false;
    expect(await source.ack(soon(), got)).toEqual([]);
  });

  it("by dead letter that is refused rejects with the server's error, and the others of its call have counted", async () => {
    const sent: string[][] = [];
    let refuses = true;
    const { source, got } = await lab((args) => {
      sent.push(args.filter((arg) => /^\d-0$/.test(arg)));
      return refuses ? [[], 0, ["2-0", "WRONGTYPE Operation against a key holding the wrong kind of value"]] : [[], 0];
    });
    const items = got.map((delivery) => ({ delivery, error: "no" }));
    for (let i = 0; i < 2; i++) {
      await expect(source.deadLetter!(soon(), items)).rejects.toThrow(
        /the dead letter of 2-0 was refused: a key holds something other than.*WRONGTYPE/,
      );
    }
    refuses = false;
    expect(await source.deadLetter!(soon(), items)).toEqual([]);
    expect(sent).toEqual([["1-0", "2-0"], ["2-0"], ["2-0"]]);
  });

  it("whose answer was lost names the receipt of that call when it is sent again, and gets the right answer", async () => {
    const calls: (readonly string[])[] = [];
    const { source, got } = await lab((args) => {
      calls.push(args.slice(-8));
      if (calls.length === 1) throw new Error("Socket closed unexpectedly");
      return [["2-0"], 0];
    });
    await expect(source.ack(soon(), got)).rejects.toThrow("there is no connection: Socket closed unexpectedly");
    expect(await source.extend(soon(), [])).toEqual([]);
    expect(await source.ack(soon(), got)).toEqual([got[1]]);
    const receipt = expect.stringMatching(/^[-0-9a-f]{36}:1$/) as unknown;
    expect(calls).toEqual([
      ["1-0", "1", "", "", "2-0", "1", "", ""],
      ["1-0", "1", receipt, "", "2-0", "1", receipt, ""],
    ]);
  });

  it("after close() is refused, and the error says why", async () => {
    const { source, got } = await lab(() => []);
    await source.close();
    await expect(source.ack(soon(), got)).rejects.toThrow("redisStream: a verdict after close()");
  });

  it.each([
    "NOGROUP No such key 's' or consumer group 'g' script: 8ba5f, on @user_script:4.",
    "ERR Error running script (call to f_8ba5f): @user_script:4: NOGROUP No such key 's' or consumer group 'g'",
  ])("on a group that is gone is lost: %s", async (message) => {
    const { source, got, sent } = await lab(() => {
      throw new Error(message);
    });
    expect(await source.extend(soon(), [got[0]!])).toEqual([got[0]]);
    expect(await source.ack(soon(), got)).toEqual(got);
    expect(await source.nack(soon(), [{ delivery: got[1]!, delay: 0, reason: "failed" }])).toEqual([got[1]]);
    expect(sent.filter(([command]) => command === "EVAL").length).toBe(3);
  });

  it("whose answer came after its ctx had ended has counted, and counts when it is sent again", async () => {
    let answer!: (lost: readonly string[]) => void;
    let calls = 0;
    const { source, got } = await lab(() =>
      ++calls === 1 ? new Promise((resolve) => (answer = resolve)) : ["1-0", "2-0"],
    );
    const [ctx, cancel] = context.withCancel(context.background());
    const acked = source.ack(ctx, got);
    acked.catch(() => {});
    await isSo(() => calls === 1);
    cancel();
    await expect(acked).rejects.toThrow("context canceled");
    answer(["2-0"]);
    // The server knows neither any more. Until the answer has arrived, both may have counted.
    let lost: readonly unknown[] = [];
    await isSo(async () => (lost = await source.extend(soon(), got)).length > 0);
    expect(lost).toEqual([got[1]]);
    expect(await source.ack(soon(), got)).toEqual([got[1]]);
  });

  it("that is sent again before the first was answered counts if the first does", async () => {
    const answers: ((lost: readonly string[]) => void)[] = [];
    const { source, got } = await lab(() => new Promise((resolve) => answers.push(resolve)));
    const [ctx, cancel] = context.withCancel(context.background());
    const acked = source.ack(ctx, got);
    acked.catch(() => {});
    await isSo(() => answers.length === 1);
    cancel();
    await expect(acked).rejects.toThrow("context canceled");
    const again = source.ack(soon(), got);
    await isSo(() => answers.length === 2);
    // A client hands on the answers in the order of the commands, at once.
    answers[0]!([]);
    answers[1]!(["1-0", "2-0"]);
    expect(await again).toEqual([]);
  });

  it("on a message that was handed over again since is lost, even with the same consumer and count", async () => {
    const { source, got } = await lab(() => []);
    const again = await source.pull(soon(), 2);
    expect(await source.ack(soon(), got)).toEqual(got);
    expect(await source.ack(soon(), again)).toEqual([]);
  });
});
