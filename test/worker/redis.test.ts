/**
 * The source of Redis, without a server: what it makes of its options, and of what the clients answer. All else is tested with a server,
 * in test/brokers.
 */
import { context } from "headgate";
import { type RedisClient, redisStream, type RedisStreamOptions } from "headgate/worker/redis";
import { afterEach, describe, expect, it } from "vitest";

type Answer = (args: readonly string[]) => unknown;

/** Nothing is there to be delivered again, and nothing new. */
const answers: Record<string, Answer> = {
  CLIENT: () => 7,
  XGROUP: () => "OK",
  EVAL: () => ["0-0", -1, []],
  XREADGROUP: () => null,
};

const close: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of close.splice(0)) await end();
});

/** A client that answers so, and a source over it. `node`: in the form of the package redis; else in that of ioredis. */
function sourceOf(
  given: Record<string, Answer> = {},
  options: Partial<RedisStreamOptions> = {},
  form: "node" | "io" = "node",
) {
  const sent: (readonly string[])[] = [];
  const duplicates: object[] = [];
  const send = async (...args: string[]): Promise<unknown> => {
    sent.push(args);
    return { ...answers, ...given }[args[0]!]!(args);
  };
  const client = {
    ...(form === "node" ? { sendCommand: (args: string[]) => send(...args) } : { call: send }),
    options: { socket: { host: "h", reconnectStrategy: 5 } },
    duplicate: (options: object) => {
      duplicates.push(options);
      return client;
    },
    on: () => {},
    connect: async () => {},
    disconnect: () => {},
  };
  const source = redisStream(client as unknown as RedisClient, { stream: "s", group: "g", consumer: "me", ...options });
  close.push(source.close);
  return { source, sent, duplicates };
}

const soon = (ms = 1_000) => context.withTimeout(context.background(), ms)[0];

describe("redisStream", () => {
  it("says at once what is wrong with its arguments", () => {
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
      [{ body: "key" }, /cannot both be in the field key/],
    ] as const) {
      expect(() => sourceOf({}, options as never), String(message)).toThrow(message);
    }
  });

  it("does nothing before the first pull", () => {
    const { sent, duplicates } = sourceOf();
    expect([sent, duplicates]).toEqual([[], []]);
  });

  it("has deadLetter if it is told where to", () => {
    expect(sourceOf().source.deadLetter).toBeUndefined();
    expect(sourceOf({}, { deadLetters: "dead" }).source.deadLetter).toBeTypeOf("function");
  });

  it("publishes body, key and attributes as fields, and no attribute in their place", async () => {
    const { source, sent } = sourceOf({ XADD: () => "1-0" });
    expect(await source.publish("b", { key: "k", attributes: { colour: "red" } })).toBe("1-0");
    expect(sent).toEqual([["XADD", "s", "*", "body", "b", "key", "k", "colour", "red"]]);
    await expect(source.publish("b", { attributes: { body: "x" } })).rejects.toThrow(/cannot be called body/);
    await expect(source.publish("b", { attributes: { key: "x" } })).rejects.toThrow(/cannot be called key/);
  });
});

describe("the connection of the pulls", () => {
  it("is never repaired, and keeps no command for later", async () => {
    const node = sourceOf();
    await node.source.pull(soon(10), 1);
    expect(node.duplicates).toMatchObject([
      { disableOfflineQueue: true, socket: { host: "h", reconnectStrategy: false } },
    ]);
    const io = sourceOf({}, {}, "io");
    await io.source.pull(soon(10), 1);
    expect(io.duplicates).toMatchObject([
      { enableOfflineQueue: false, retryStrategy: null, autoResendUnfulfilledCommands: false },
    ]);
  });

  it("is made anew after an error, which the pull rejects with", async () => {
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

  it("makes the group again when there is none", async () => {
    let fails = true;
    const { source, sent } = sourceOf({
      XREADGROUP: () => {
        if (!fails) return [["s", [["1-0", ["body", "b"]]]]];
        fails = false;
        throw new Error("NOGROUP No such key 's' or consumer group 'g'");
      },
    });
    expect(await source.pull(soon(), 1)).toMatchObject([{ body: "b" }]);
    expect(sent.filter(([command]) => command === "XGROUP")).toEqual(
      Array(2).fill(["XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"]),
    );
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

  it("takes the body and the key from the fields it is told", async () => {
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
  const lab = async (evals: Answer) => {
    const made = sourceOf({
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
    });
    return { ...made, got: await made.source.pull(soon(), 2) };
  };

  it("returns those that Redis calls lost", async () => {
    const { source, got } = await lab(() => ["2-0"]);
    expect(await source.ack(soon(), got)).toEqual([got[1]]);
  });

  it("is not told twice: the second time all are lost", async () => {
    const { source, got, sent } = await lab(() => []);
    expect(await source.ack(soon(), got)).toEqual([]);
    const before = sent.length;
    expect(await source.ack(soon(), got)).toEqual(got);
    expect(sent.length).toBe(before);
  });

  it("that failed can be told again", async () => {
    let fails = true;
    const { source, got } = await lab(() => {
      if (fails) throw new Error("Connection is closed.");
      return [];
    });
    await expect(source.ack(soon(), got)).rejects.toThrow("closed");
    fails = false;
    expect(await source.ack(soon(), got)).toEqual([]);
  });

  it("on a message that was handed over again since is lost, also if the consumer and the count are the same", async () => {
    const { source, got } = await lab(() => []);
    const again = await source.pull(soon(), 2);
    expect(await source.ack(soon(), got)).toEqual(got);
    expect(await source.ack(soon(), again)).toEqual([]);
  });
});
