/**
 * Loops that never end: of operations that never wait, which are found by the number of steps; and of bare awaits, whose step would
 * never be over, so that no timer could end the test either.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { Chan, context, go, select, time, trySelect } from "headgate";
import { type Bubble, bubble, DeadlockError, explore, LeakError, ScheduleError } from "headgate/testing";
import { memoryBroker } from "headgate/worker";
import { describe, expect, it } from "vitest";
import { failureOf } from "../support/errors.ts";
import { linesOf } from "./lines.ts";

const at = linesOf(import.meta.url);
/** null, of which nobody knows that it is no promise. */
const none: unknown = null;
const ready = Promise.resolve();
const nothing = async (): Promise<void> => {};
async function* endless(): AsyncGenerator<number> {
  for (let i = 0; ; i++) yield i;
}

describe("a loop of bare awaits", () => {
  const loops: [string, (t: Bubble) => Promise<void>][] = [
    [
      "of null",
      async () => {
        for (;;) await none; // line: of null
      },
    ],
    [
      "of a promise that is resolved",
      async () => {
        for (;;) await ready;
      },
    ],
    [
      "of async functions",
      async () => {
        for (;;) await nothing();
      },
    ],
    [
      "of a thenable",
      async () => {
        for (;;) await { then: (done: () => void) => done() };
      },
    ],
    [
      "of an async generator",
      async () => {
        for await (const _ of endless());
      },
    ],
    [
      "of reactions",
      () => {
        const again = (): Promise<void> => ready.then(again);
        return again();
      },
    ],
    [
      "of Promise.all",
      async () => {
        for (;;) await Promise.all([ready, ready]);
      },
    ],
    [
      "that polls a channel",
      async () => {
        for (const ch = new Chan(); ch.tryRecv() === undefined;) await none;
      },
    ],
    [
      "that polls by trySelect",
      async () => {
        for (const ch = new Chan(); trySelect({ ch }) === undefined;) await none;
      },
    ],
    [
      "that polls a broker whose context has ended",
      async (t) => {
        const broker = memoryBroker();
        t.cancel();
        for (;;) await broker.pull(t.ctx, 1);
      },
    ],
  ];

  it.each(loops)("%s is stopped in a bubble, and told", async (_, loop) => {
    const { message, tasks } = await failureOf(bubble(loop), DeadlockError);
    expect(message).toMatch(
      /^livelock: main was stopped: it awaits one promise after the other, .*`maxSteps`.*t\.yield/,
    );
    expect(message).toMatch(/\nThe last 60 promises were made\n/);
    expect(tasks).toMatchObject([{ name: "main" }]);
  });

  it.each(loops)("%s fails a schedule of explore", async (_, loop) => {
    const error = await failureOf(explore(loop), ScheduleError);
    expect(error.cause).toBeInstanceOf(DeadlockError);
    expect(error.message).toMatch(/^DeadlockError: livelock: main was stopped: /);
    expect(error.replay).toBe("0");
  });

  it("is told with the line in which it loops, and how often", async () => {
    const { message } = await failureOf(bubble(loops[0]![1]), DeadlockError);
    expect(message).toContain(`\n  60 ×   at ${at("of null")}`);
  });

  it("begins only when its context is cancelled, and is found by explore", async () => {
    const scenario = async (t: Bubble): Promise<void> => {
      const broker = memoryBroker<number>();
      await broker.publish(1);
      go(async function poller() {
        for (let got = 0; got < 2;) got += (await broker.pull(t.ctx, 1)).length;
      });
      await t.wait();
      await broker.publish(2);
      await t.wait();
    };
    const error = await failureOf(explore(scenario), ScheduleError);
    expect(error.message).toMatch(/livelock: poller was stopped/);
    expect(error.replay).toMatch(/^0!c\d$/);
    await failureOf(explore(scenario, { replay: error.replay }), ScheduleError);
  });

  it("is found when the test has returned, and when it has failed already", async () => {
    const deaf = async (t: Bubble): Promise<void> => {
      await new Chan().recv(t.ctx).catch(() => {});
      for (;;) await none;
    };
    const left = bubble((t) => go(() => deaf(t)));
    expect((await failureOf(left, DeadlockError)).message).toMatch(/^livelock: task1 was stopped/);
    const boom = new Error("boom");
    const failed = bubble(async (t) => {
      for (let i = 0; i < 3; i++) go(() => deaf(t));
      await t.wait();
      throw boom;
    });
    await expect(failed).rejects.toBe(boom);
  });

  it("is found behind a promise from outside, too", async () => {
    const result = bubble(async () => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      for (;;) await none;
    });
    expect((await failureOf(result, DeadlockError)).message).toMatch(/^livelock: main was stopped/);
  });

  it("lets the `finally` blocks of the others run", async () => {
    let cleaned = false;
    const result = bubble(async (t) => {
      go(async () => {
        await new Chan().recv(t.ctx).finally(() => (cleaned = true));
      });
      await t.wait();
      for (;;) await none;
    });
    await failureOf(result, DeadlockError);
    expect(cleaned).toBe(true);
  });

  it("harms no other test of the process: neither those at the same time nor those after it", async () => {
    const store = new AsyncLocalStorage<string>();
    const real = store.run("kept", async () => {
      for (let i = 0; i < 50; i++) await new Promise((resolve) => setTimeout(resolve, 1));
      return store.getStore();
    });
    const fine = Array.from({ length: 5 }, (_, i) =>
      bubble(async (t) => {
        for (let n = 0; n < 20; n++) await t.sleep(i);
      }),
    );
    const looping = [loops[0]![1], loops[2]![1]].map((loop) => failureOf(bubble(loop), DeadlockError));
    await Promise.all([...fine, ...looping]);
    expect(await real).toBe("kept");
    await bubble((t) => t.sleep(1));
  });

  it("is told from a step that awaits a great deal, and comes to its end", async () => {
    await bubble(async () => {
      for (let i = 0; i < 100_000; i++) await none;
    });
  });

  it("is allowed as many promises as `maxSteps` says, if that is more than 500 000", async () => {
    const awaits = async (): Promise<void> => {
      for (let i = 0; i < 300_000; i++) await none;
    };
    await failureOf(bubble(awaits), DeadlockError);
    await bubble(awaits, { maxSteps: 1_000_000 });
  });
});

describe("a loop of operations that never wait for anybody", () => {
  const loops: [string, string, (t: Bubble) => Promise<void>][] = [
    [
      "of sleeps",
      "main         sleep",
      async () => {
        for (;;) await time.sleep(1); // line: of sleeps
      },
    ],
    [
      "of sleeps of no length",
      "main         sleep",
      async () => {
        for (;;) await time.sleep(0);
      },
    ],
    [
      "of yields",
      "main         yield",
      async (t) => {
        for (;;) await t.yield();
      },
    ],
    [
      "of waits",
      "main         t.wait",
      async (t) => {
        for (;;) await t.wait();
      },
    ],
    [
      "of sends and receives",
      "main         send ch1",
      async () => {
        for (const ch = new Chan(1); ; await ch.recv()) await ch.send(1);
      },
    ],
    [
      "of receives from a closed channel",
      "main         recv ch1",
      async () => {
        const ch = new Chan();
        ch.close();
        for (;;) await ch.recv();
      },
    ],
    [
      "of selects",
      "main         select",
      async () => {
        const ch = new Chan();
        ch.close();
        for (;;) await select({ ch });
      },
    ],
    [
      "of refused operations",
      "main         recv ch1",
      async (t) => {
        const ch = new Chan();
        for (t.cancel(); ;) await ch.recv(t.ctx).catch(() => {});
      },
    ],
    [
      "of a ticker",
      "main         recv timer1",
      async () => {
        for await (const _ of new time.Ticker(10).c);
      },
    ],
    [
      "of deadlines",
      "main         recv 100 different objects",
      async (t) => {
        for (;;) {
          const [ctx, cancel] = context.withTimeout(t.ctx, 10);
          await new Chan().recv(ctx).catch(() => {}); // line: of deadlines
          cancel();
        }
      },
    ],
  ];

  it.each(loops)("%s is told by what it did last", async (_, doing, loop) => {
    const { message } = await failureOf(bubble(loop, { maxSteps: 1_000 }), DeadlockError);
    expect(message).toMatch(
      /^livelock: the scenario has made 1000 steps; if it is not an endless loop, allow more by the option `maxSteps`\n/,
    );
    expect(message).toMatch(/\nThe last 100 resumptions were\n {2}\d+ × {1,4}/);
    expect(message).toContain(` ×${message.includes("100 ×") ? "  " : "   "}${doing}`);
  });

  it("is told with its line, also where it makes a new object each time", async () => {
    const { message } = await failureOf(bubble(loops[0]![2], { maxSteps: 300 }), DeadlockError);
    expect(message).toContain(`\n  100 ×  main         sleep at ${at("of sleeps")}`);
    const error = await failureOf(explore(loops[0]![2], { maxSteps: 300 }), ScheduleError);
    expect(error.message).toContain(`\n  100 ×  main         sleep at ${at("of sleeps")}`);
    expect((await failureOf(bubble(loops.at(-1)![2], { maxSteps: 300 }), DeadlockError)).message).toContain(
      `\n  100 ×  main         recv 100 different objects at ${at("of deadlines")}`,
    );
  });

  it("is found after 100 000 steps of a bubble, unless it says otherwise", async () => {
    const { message } = await failureOf(bubble(loops[0]![2]), DeadlockError);
    expect(message).toMatch(/^livelock: the scenario has made 100000 steps;/);
    await bubble(
      async () => {
        for (let i = 0; i < 60_000; i++) await time.sleep(1);
      },
      { maxSteps: 150_000 },
    );
  });

  it("is told with the names of all who take part", async () => {
    const result = bubble(
      async () => {
        const [ping, pong] = [new Chan(), new Chan()];
        go(async function left() {
          for (;;) await ping.send(await pong.recv());
        });
        go(async function right() {
          for (;;) await pong.send(await ping.recv());
        });
        await pong.send(1);
        await new Chan().recv();
      },
      { maxSteps: 500 },
    );
    const { message } = await failureOf(result, DeadlockError);
    for (const doing of ["left         send ch1", "left         recv ch2", "right        recv ch1"]) {
      expect(message).toContain(`×   ${doing}`);
    }
  });

  it("that begins when the test has returned is a livelock, and not a leak", async () => {
    const result = bubble(
      (t) =>
        go(async () => {
          for (;;) await new Chan().recv(t.ctx).catch(() => {});
        }),
      { maxSteps: 100 },
    );
    expect(await failureOf(result, DeadlockError)).not.toBeInstanceOf(LeakError);
  });
});
