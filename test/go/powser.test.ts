/**
 * Power series as streams: each is a task that computes its next coefficient when somebody asks for it, and operations
 * on series are tasks that ask other tasks. Go's programs test/chan/powser1.go and powser2.go, written anew.
 *
 * In powser1 the coefficients are plain values, in powser2 references to objects behind an interface; so the operations
 * below work on any arithmetic.
 */
import { Chan, go, sync } from "headgate";
import { describe, expect, it } from "vitest";

/** What can be done with a coefficient. */
interface Arithmetic<C> {
  of: (numerator: number, denominator?: number) => C;
  add: (a: C, b: C) => C;
  mul: (a: C, b: C) => C;
  /** 1 / a. */
  inverse: (a: C) => C;
  text: (a: C) => string;
}

type Task<C> = (put: (next: () => C | Promise<C>) => Promise<void>) => Promise<void>;

/** A stream on demand: a coefficient is computed, and can be received, only after it has been asked for. */
class Series<C> {
  readonly asked = new Chan<void>();
  readonly answers = new Chan<C>();

  async take(): Promise<C> {
    await this.asked.send();
    return (await this.answers.recv())[0]!;
  }

  /** Starts the task behind a series. It calls `put` for each coefficient; that waits until it is asked for. */
  static from<C>(task: Task<C>): Series<C> {
    const series = new Series<C>();
    const put = async (next: () => C | Promise<C>): Promise<void> => {
      await series.asked.recv();
      await series.answers.send(await next());
    };
    go(() => task(put));
    return series;
  }

  /** Two series with the coefficients of this one. Either may be ahead of the other by any number. */
  split(): [Series<C>, Series<C>] {
    const fetching = new sync.Mutex();
    const queues: [C[], C[]] = [[], []];
    const half = (queue: C[]): Series<C> =>
      Series.from(async (put) => {
        const next = async (): Promise<C> => {
          if (queue.length > 0) return queue.shift()!;
          using _ = await fetching.lock();
          if (queue.length === 0) {
            const coefficient = await this.take();
            for (const each of queues) each.push(coefficient);
          }
          return queue.shift()!;
        };
        for (;;) await put(next);
      });
    return [half(queues[0]), half(queues[1])];
  }
}

/** The operations. Each takes over the series it is given: who needs one twice splits it before. */
function operations<C>({ of, add, mul, inverse, text }: Arithmetic<C>) {
  type S = Series<C>;
  const from = (task: Task<C>): S => Series.from<C>(task);

  const constant = (numerator: number): S =>
    from(async (put) => {
      for (;;) await put(() => of(numerator));
    });
  const sum = (u: S, v: S): S =>
    from(async (put) => {
      for (;;) await put(async () => add(...(await Promise.all([u.take(), v.take()]))));
    });
  const scaled = (factor: C, u: S): S =>
    from(async (put) => {
      for (;;) await put(async () => mul(factor, await u.take()));
    });
  const difference = (u: S, v: S): S => sum(u, scaled(of(-1), v));
  /** `first`, and then the coefficients of a series that is made when the first of them is asked for. */
  const before = (first: () => C | Promise<C>, rest: () => S): S =>
    from(async (put) => {
      await put(first);
      let u: S | undefined;
      for (;;) await put(() => (u ??= rest()).take());
    });
  const shifted = (u: S): S =>
    before(
      () => of(0),
      () => u,
    );
  /** U without its first coefficient. */
  const tailOf = (u: S): S =>
    before(
      async () => (await u.take(), u.take()),
      () => u,
    );
  const derivative = (u: S): S =>
    from(async (put) => {
      const tail = tailOf(u);
      for (let n = 1; ; n++) await put(async () => mul(of(n), await tail.take()));
    });
  const integral = (first: C, u: S): S =>
    from(async (put) => {
      await put(() => first);
      for (let n = 1; ; n++) await put(async () => mul(of(1, n), await u.take()));
    });
  /** (u₀ + xU)(v₀ + xV) = u₀v₀ + x(u₀V + v₀U + xUV). */
  const product = (u: S, v: S): S => {
    let [u0, v0] = [of(0), of(0)];
    const first = async (): Promise<C> => {
      [u0, v0] = await Promise.all([u.take(), v.take()]);
      return mul(u0, v0);
    };
    return before(first, () => {
      const [[ua, ub], [va, vb]] = [u.split(), v.split()];
      return sum(sum(scaled(u0, va), scaled(v0, ua)), shifted(product(ub, vb)));
    });
  };
  /** A series defined by itself: `body` gets a copy of what it yields. */
  const recursive = (body: (self: S) => S): S => {
    const [result, self] = from(async (put) => {
      let u: S | undefined;
      for (;;) await put(() => (u ??= body(self)).take());
    }).split();
    return result;
  };
  /** Z = 1/U, from z₀ = 1/u₀ and (u₀ + xU)Z = 1: Z = z₀ − x z₀ U Z. */
  const reciprocal = (u: S): S =>
    recursive((self) => {
      let z0 = of(0);
      return before(
        async () => (z0 = inverse(await u.take())),
        () => scaled(mul(of(-1), z0), product(u, self)),
      );
    });
  /** Z = exp U, for u₀ = 0, from Z' = Z U'. */
  const exponential = (u: S): S => recursive((self) => integral(of(1), product(self, derivative(u))));
  /** U(V), for v₀ = 0: u₀ + x V₁ U₁(V), where V = x V₁. */
  const composed = (u: S, v: S): S => {
    const [argument, other] = v.split();
    return before(
      () => u.take(),
      () => product(tailOf(other), composed(u, argument)),
    );
  };
  /** U(c xⁿ). */
  const atMonomial = (u: S, c: C, n: number): S =>
    from(async (put) => {
      for (let power = of(1); ; power = mul(power, c)) {
        await put(async () => mul(power, await u.take()));
        for (let i = 1; i < n; i++) await put(() => of(0));
      }
    });
  /** The inverse function of U = x U₁: Q with U(Q) = x, from Q = x / U₁(Q). */
  const reversion = (u: S): S => recursive((self) => shifted(reciprocal(composed(tailOf(u), self))));
  const first = async (n: number, u: S): Promise<string> => {
    const texts: string[] = [];
    while (texts.length < n) texts.push(text(await u.take()));
    return texts.join(" ");
  };
  const arctangent = (): S => integral(of(0), atMonomial(constant(1), of(-1), 2));
  return {
    arctangent,
    atMonomial,
    composed,
    constant,
    derivative,
    difference,
    exponential,
    first,
    integral,
    of,
    product,
    reciprocal,
    reversion,
    scaled,
    shifted,
    sum,
  };
}

type Pair = readonly [numerator: bigint, denominator: bigint];

const gcd = (a: bigint, b: bigint): bigint => (b === 0n ? a : gcd(b, a % b));

function reduced(numerator: bigint, denominator: bigint): Pair {
  if (denominator < 0n) return reduced(-numerator, -denominator);
  const divisor = gcd(numerator < 0n ? -numerator : numerator, denominator);
  return [numerator / divisor, denominator / divisor];
}

/** Rationals as plain values. */
const values: Arithmetic<Pair> = {
  of: (n, d = 1) => reduced(BigInt(n), BigInt(d)),
  add: ([a, b], [c, d]) => reduced(a * d + c * b, b * d),
  mul: ([a, b], [c, d]) => reduced(a * c, b * d),
  inverse: ([a, b]) => reduced(b, a),
  text: ([a, b]) => (b === 1n ? `${a}` : `${a}/${b}`),
};

/** What powser2 sends: an object behind an interface, of which only the reference travels. */
interface Item {
  readonly value: Pair;
  plus(other: Item): Item;
  times(other: Item): Item;
}

class Rational implements Item {
  readonly value: Pair;
  constructor(value: Pair) {
    this.value = value;
  }
  plus(other: Item): Item {
    return new Rational(values.add(this.value, other.value));
  }
  times(other: Item): Item {
    return new Rational(values.mul(this.value, other.value));
  }
}

const references: Arithmetic<Item> = {
  of: (n, d) => new Rational(values.of(n, d)),
  add: (a, b) => a.plus(b),
  mul: (a, b) => a.times(b),
  inverse: ({ value }) => new Rational(values.inverse(value)),
  text: ({ value }) => values.text(value),
};

type Operations = ReturnType<typeof operations<Pair>> | ReturnType<typeof operations<Item>>;

/** Each result as its first coefficients, known from the textbook. */
const results: [
  name: string,
  coefficients: string,
  of: (ops: ReturnType<typeof operations<unknown>>) => Series<unknown>,
][] = [
  ["1/(1−x)", "1 1 1 1 1 1 1 1 1 1", (s) => s.constant(1)],
  ["a sum", "3 3 3 3 3 3 3 3 3 3", (s) => s.sum(s.constant(1), s.constant(2))],
  ["a difference", "-1 -1 -1 -1 -1 -1 -1 -1 -1 -1", (s) => s.difference(s.constant(1), s.constant(2))],
  ["a multiple", "-2 -2 -2 -2 -2 -2 -2 -2 -2 -2", (s) => s.scaled(s.of(-1), s.constant(2))],
  ["a shift", "0 1 1 1 1 1 1 1 1 1", (s) => s.shifted(s.constant(1))],
  ["a derivative", "1 2 3 4 5 6 7 8 9 10", (s) => s.derivative(s.constant(1))],
  ["an integral", "0 1 1/2 1/3 1/4 1/5 1/6 1/7 1/8 1/9", (s) => s.integral(s.of(0), s.constant(1))],
  ["a product", "1 2 3 4 5 6 7 8 9 10", (s) => s.product(s.constant(1), s.constant(1))],
  ["a reciprocal", "1 -1 0 0 0 0 0 0 0 0", (s) => s.reciprocal(s.constant(1))],
  [
    "an exponential",
    "1 1 3/2 13/6 73/24 167/40 4051/720 37633/5040 43817/4480 4596553/362880",
    (s) => s.exponential(s.shifted(s.constant(1))),
  ],
  ["x² in place of x", "1 0 -1 0 1 0 -1 0 1 0", (s) => s.atMonomial(s.constant(1), s.of(-1), 2)],
  [
    "a series within a series",
    "1 1 2 4 8 16 32 64 128 256",
    (s) => s.composed(s.constant(1), s.shifted(s.constant(1))),
  ],
  ["the arctangent", "0 1 0 -1/3 0 1/5 0 -1/7 0 1/9", (s) => s.arctangent()],
  ["the tangent, its inverse", "0 1 0 1/3 0 2/15 0 17/315 0 62/2835", (s) => s.reversion(s.arctangent())],
];

const check = async (ops: Operations, of: (typeof results)[number][2]): Promise<string> => {
  const s = ops as unknown as ReturnType<typeof operations<unknown>>;
  return s.first(10, of(s));
};

describe("power series over channels", () => {
  it.each(results)(
    "%s has the coefficients %s (H3, S7) [test/chan/powser1.go main]",
    async (_name, coefficients, of) => {
      expect(await check(operations(values), of)).toBe(coefficients);
    },
  );

  it.each(results)(
    "%s has the coefficients %s, sent as references (H16) [test/chan/powser2.go main]",
    async (_name, text, of) => {
      expect(await check(operations(references), of)).toBe(text);
    },
  );

  it("a reference arrives as the very object that was sent, on both sides of a split (H16) [test/chan/powser2.go main]", async () => {
    const sent: Item[] = [];
    const series = Series.from<Item>(async (put) => {
      for (let n = 1; ; n++) await put(() => (sent.push(references.of(n)), sent.at(-1)!));
    });
    const [a, b] = series.split();
    const ahead = [await a.take(), await a.take(), await a.take()];
    expect(sent.length).toBe(3);
    const behind = [await b.take(), await b.take(), await b.take()];
    expect(sent.length).toBe(3);
    for (const i of [0, 1, 2]) expect([ahead[i] === sent[i], behind[i] === sent[i]]).toEqual([true, true]);
  });

  it("nothing is computed that nobody has asked for [test/chan/powser1.go main]", async () => {
    let computed = 0;
    const series = Series.from<number>(async (put) => {
      for (;;) await put(() => ++computed);
    });
    for (let n = 1; n <= 5; n++) expect([await series.take(), computed]).toEqual([n, n]);
  });
});
