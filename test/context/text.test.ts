/**
 * What contexts say of themselves: String(ctx), which is Go's text, and util.inspect.
 */
import { inspect } from "node:util";
import { describe, expect, it, vi } from "vitest";
import { type Context, context, errgroup, type Key, nil, type RecvChan } from "headgate";
import { elapse, virtualTime } from "../support/clock.ts";

const { background, key, withCancel, withDeadline, withTimeout, withValue } = context;

describe("String of a context", () => {
  virtualTime();

  it("of the roots is their name in Go (C2)", () => {
    expect(String(background())).toBe("context.Background");
    expect(String(context.todo())).toBe("context.TODO");
  });

  it("adds the way of each derivation to the text of the parent (C73, C110)", () => {
    const { signal } = new AbortController();
    const oneSecond = "WithDeadline(2000-01-01T00:00:01.000Z [1s])";
    const past = "WithDeadline(1999-12-31T23:59:59.750Z [-250ms])";
    const made: [Context, string][] = [
      [withCancel(background())[0], "WithCancel"],
      [context.withCancelCause(background())[0], "WithCancel"],
      [context.withSignal(background(), signal)[0], "WithCancel"],
      [context.withoutCancel(background()), "WithoutCancel"],
      [withValue(background(), key<string>("user"), "ada"), "WithValue(user, ada)"],
      [withTimeout(background(), 1000)[0], oneSecond],
      [context.withTimeoutCause(background(), 1000, "late")[0], oneSecond],
      [withDeadline(background(), Date.now() + 1000)[0], oneSecond],
      [context.withDeadlineCause(background(), new Date(Date.now() - 250), 0)[0], past],
    ];
    for (const [ctx, text] of made) expect(String(ctx)).toBe(`context.Background.${text}`);
  });

  it("reads from the root to the context (C110)", async () => {
    const user = key<string>("user");
    const [ctx] = withCancel(withTimeout(withValue(context.todo(), user, "ada"), 90_000)[0]);
    const text = "context.TODO.WithValue(user, ada).WithDeadline(2000-01-01T00:01:30.000Z [1m30s]).WithCancel";
    expect(String(ctx)).toBe(text);
    expect(`${withTimeout(ctx, 100_000)[0]}`).toBe(`${text}.WithCancel`);
    expect(String(context.withoutCancel(ctx))).toBe(`${text}.WithoutCancel`);
  });

  it.each([
    ["0s", 0],
    ["500ns", 0.0005],
    ["10µs", 0.01],
    ["1.5µs", 0.0015],
    ["500µs", 0.5],
    ["250ms", 250],
    ["1.5ms", 1.5],
    ["1.5s", 1500],
    ["59.999s", 59_999],
    ["1m0s", 60_000],
    ["1m0s", 59_999.9999999],
    ["1h0m0s", 3_599_999.9999999],
    ["1h0m0s", 3_600_000],
    ["1h1m1.001s", 3_661_001],
    ["1000h0m0s", 3_600_000_000],
    ["24000h0m0.001s", 86_400_000_001],
    ["-5s", -5000],
    ["-1m30s", -90_000],
  ])("writes the time that is left as Go does: %s (C110)", (text, ms) => {
    expect(String(withTimeout(background(), ms)[0])).toMatch(new RegExp(`\\[${text}\\]\\)$`));
  });

  it("counts the time that is left down, beyond the deadline too (C110)", async () => {
    const [ctx] = withTimeout(background(), 1000);
    const text = (left: string): string => `context.Background.WithDeadline(2000-01-01T00:00:01.000Z [${left}])`;
    await elapse(600);
    expect(String(ctx)).toBe(text("400ms"));
    await elapse(400);
    expect(String(ctx)).toBe(text("0s"));
    await elapse(1500);
    expect(String(ctx)).toBe(text("-1.5s"));
  });

  it("counts on the clock that cannot be set", () => {
    const [ctx] = withTimeout(background(), 1000);
    vi.setSystemTime(Date.UTC(2001, 0, 1));
    expect(String(ctx)).toBe("context.Background.WithDeadline(2000-01-01T00:00:01.000Z [1s])");
  });

  it("can say a deadline that no Date can hold", () => {
    expect(String(withDeadline(background(), 1e16)[0])).toMatch(/WithDeadline\(10000000000000000 \[\d+h\d+m\d.*s\]\)$/);
    expect(String(withDeadline(background(), -Infinity)[0])).toContain("WithDeadline(-Infinity [");
  });

  class Order {}

  it.each<[string, unknown]>([
    ["ada", "ada"],
    ["", ""],
    ["<nil>", undefined],
    ["<nil>", null],
    ["number", 7],
    ["boolean", false],
    ["bigint", 1n],
    ["symbol", Symbol("s")],
    ["function", () => 1],
    ["Order", new Order()],
    ["Array", [1, 2]],
    ["Date", new Date(0)],
    ["Object", { secret: 1 }],
    ["Object", Object.create(null)],
  ])("says of a value only '%s': a string itself, else its type, never what is in it (C110)", (text, value) => {
    expect(String(withValue(background(), key<unknown>("k"), value))).toBe(`context.Background.WithValue(k, ${text})`);
  });

  it("names a key by its description, and what is no key of ours as a value (C110)", () => {
    const odd: [unknown, string][] = [
      ["k", "k"],
      [5, "number"],
      [new Order(), "Order"],
      [key("two words"), "two words"],
    ];
    for (const [each, text] of odd) {
      const ctx = withValue(background(), each as unknown as Key<number>, 1);
      expect(String(ctx)).toBe(`context.Background.WithValue(${text}, number)`);
    }
  });

  const shape: Context = {
    deadline: () => undefined,
    done: () => nil,
    err: () => undefined,
    value: () => undefined,
    signal: background().signal,
  };

  it("begins with a foreign parent's own text, or else with its class name (C110)", () => {
    class HttpRequest implements Context {
      readonly signal = shape.signal;
      deadline(): undefined {}
      done(): RecvChan<never> {
        return nil;
      }
      err(): undefined {}
      value(): undefined {}
    }
    class Named extends HttpRequest {
      override toString(): string {
        return "GET /";
      }
    }
    expect(String(withCancel(new HttpRequest())[0])).toBe("HttpRequest.WithCancel");
    expect(String(withValue(withCancel(new Named())[0], key("k"), 1))).toBe("GET /.WithCancel.WithValue(k, number)");
    expect(String(withCancel(shape)[0])).toBe("Object.WithCancel");
  });

  it("begins with Object when the foreign parent has neither a text nor a class (C110)", () => {
    const bare = Object.assign(Object.create(null) as Context, shape);
    expect(String(withCancel(bare)[0])).toBe("Object.WithCancel");
  });

  it("does not change with the end of the context (C111)", () => {
    const [ctx, cancel] = withCancel(withValue(background(), key<string>("user"), "ada"));
    const before = String(ctx);
    cancel();
    expect(String(ctx)).toBe(before);
  });

  it("of a group's context ends in WithCancel (C112)", () => {
    expect(String(errgroup.withContext(background())[1])).toBe("context.Background.WithCancel");
  });
});

describe("util.inspect of a context", () => {
  virtualTime();

  it("is its text, and how it has ended", async () => {
    const [ctx, cancel] = withCancel(background());
    expect(inspect(ctx)).toBe("context.Background.WithCancel");
    cancel();
    expect(inspect(ctx)).toBe("context.Background.WithCancel (canceled)");
    expect(inspect(withValue(ctx, key("k"), 1))).toBe("context.Background.WithCancel.WithValue(k, number) (canceled)");
    expect(inspect(background())).toBe("context.Background");
    expect(inspect({ ctx: context.todo() })).toBe("{ ctx: context.TODO }");

    const [late] = withTimeout(background(), 1000);
    await elapse(1500);
    expect(inspect(late)).toBe(`${late} (deadline exceeded)`);
    expect(inspect(late)).toContain("WithDeadline(2000-01-01T00:00:01.000Z [-500ms])");
  });
});
