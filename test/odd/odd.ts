/**
 * Odd values: what other people's code may hand over where something sensible is expected.
 *
 * Invariants:
 * - What an odd value throws is an {@link Odd}, or what the platform throws for it: so a foreign error is told from one of ours.
 * - Each call of `make` makes a new value, so no call of the package finds what another has left.
 */
import { inspect } from "node:util";
import { createContext, runInContext } from "node:vm";
import { Chan, type Context, context, nil, semaphore, sending, sync, time } from "headgate";

/** What odd values throw. */
export class Odd extends Error {}

/** What odd contexts have answered as their error: whoever asks may hand it on. */
export const handed: Set<unknown> = new Set();
const hand = <T>(value: T): T => {
  handed.add(value);
  return value;
};

const fail = (what: string): never => {
  throw new Odd(what);
};

export interface OddValue {
  readonly name: string;
  readonly make: () => unknown;
  /** Who awaits it waits for ever. */
  readonly isDeaf: boolean;
}

const DEAF = [
  "a thenable that never settles",
  "a thenable whose then can be read once",
  "a proxy that answers everything with itself",
];

type Making = Readonly<Record<string, () => unknown>>;

const TRAPS = [
  "apply",
  "construct",
  "defineProperty",
  "deleteProperty",
  "get",
  "getOwnPropertyDescriptor",
  "getPrototypeOf",
  "has",
  "isExtensible",
  "ownKeys",
  "preventExtensions",
  "set",
  "setPrototypeOf",
] as const;

/** A proxy of `target` whose traps of these names throw. */
function throwing<T extends object>(target: T, traps: readonly string[] = TRAPS): T {
  return new Proxy(target, Object.fromEntries(traps.map((trap) => [trap, () => fail(trap)])));
}

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/** A proxy that answers the first `n` questions for properties, and then throws. */
function tiring(target: object, n: number): unknown {
  let left = n;
  return new Proxy(target, {
    get: (of, name) => (left-- > 0 ? (Reflect.get(of, name) as unknown) : fail(`get ${String(name)}`)),
  });
}

/** A proxy that answers every question for a property with itself, also when it is called. */
function endless(): unknown {
  const proxy: unknown = new Proxy(function () {}, {
    get: (_, name) => (name === Symbol.toPrimitive ? () => "endless" : proxy),
    apply: () => proxy,
    construct: () => proxy as object,
  });
  return hand(proxy);
}

const getter = (name: PropertyKey, target: object = {}): object =>
  Object.defineProperty(target, name, { get: () => fail(`get ${String(name)}`), configurable: true });

// ------------------------------------------------------------------------------------------------------------------ plain

const primitives: Making = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  false: () => false,
  "0": () => 0,
  "-0": () => -0,
  "1": () => 1,
  "-1": () => -1,
  "1.5": () => 1.5,
  NaN: () => NaN,
  Infinity: () => Infinity,
  "-Infinity": () => -Infinity,
  MIN_VALUE: () => Number.MIN_VALUE,
  MAX_VALUE: () => Number.MAX_VALUE,
  "2 ** 53": () => 2 ** 53,
  "2 ** 32": () => 2 ** 32,
  "a bigint": () => 7n,
  "a symbol": () => Symbol("odd"),
  "a symbol of the language": () => Symbol.iterator,
  "an empty string": () => "",
  "a string": () => "odd",
  "a number in a string": () => "1",
  "a huge string": () => "x".repeat(1_000_000),
  "a lone surrogate": () => "\ud800",
  "lines of text": () => "a\nb\u2028c\u0000",
};

const objects: Making = {
  "an object": () => ({}),
  "an array": () => [],
  "a date": () => new Date(0),
  "an invalid date": () => new Date(NaN),
  "a map": () => new Map(),
  "a regular expression": () => /odd/g,
  "an error": () => new Error("odd"),
  "a boxed number": () => Object(1) as unknown,
  "a boxed bigint": () => Object(1n) as unknown,
  "a null-prototype object": () => Object.create(null) as unknown,
  "a null-prototype function": () => Object.setPrototypeOf(() => {}, null) as unknown,
  "a null-prototype error": () => Object.setPrototypeOf(new Error("odd"), null) as unknown,
  "a frozen object": () => Object.freeze({ a: 1 }),
  "a sealed array": () => Object.seal([1]),
  "a frozen function": () => Object.freeze(() => {}),
  "an array with holes": () => Object.assign([], { 1: 1, length: 3 }),
  "an array with a getter that throws": () => getter(1, [0, 0]),
  "an array of itself": () => {
    const self: unknown[] = [];
    self.push(self);
    return self;
  },
  "an array of length 2 ** 32 - 1": () =>
    new Proxy([], { get: (_, name) => (name === "length" ? 2 ** 32 - 1 : fail("item")) }),
  "an object with enumerable getters that throw": () =>
    Object.defineProperty({}, "a", { get: () => fail("a"), enumerable: true }),
  "getters that throw under every name": () => {
    const names = ["then", "done", "err", "value", "signal", "deadline", "afterFunc", "aborted", "reason", "name"];
    const others = ["message", "cause", "constructor", "getTime", "tries", "base", "ours", "capacity", "tryRecv"];
    return [...names, ...others, "addEventListener"].reduce((object, name) => getter(name, object), {});
  },
  "toString that throws": () => ({ toString: () => fail("toString") }),
  "valueOf that throws": () => ({ valueOf: () => fail("valueOf") }),
  "Symbol.toPrimitive that throws": () => ({ [Symbol.toPrimitive]: () => fail("toPrimitive") }),
  "Symbol.toPrimitive that is none": () => ({ [Symbol.toPrimitive]: 1 }),
  "toJSON that throws": () => ({ toJSON: () => fail("toJSON") }),
  "inspect.custom that throws": () => ({ [inspect.custom]: () => fail("inspect") }),
  "Symbol.toStringTag that throws": () => getter(Symbol.toStringTag),
  "Symbol.iterator that throws": () => ({ [Symbol.iterator]: () => fail("iterator") }),
  "Symbol.hasInstance that throws": () => ({ [Symbol.hasInstance]: () => fail("hasInstance") }),
  "constructor that throws": () => getter("constructor"),
  "a constructor whose name throws": () => ({ constructor: getter("name") }),
  "a constructor without a name": () => ({ constructor: null }),
  "an error whose getters throw": () =>
    ["stack", "name", "message", "cause", "constructor"].reduce(
      (error, name) => getter(name, error),
      new Error() as object,
    ),
  "all of toString, valueOf, toJSON and inspect throw": () => ({
    toString: () => fail("toString"),
    valueOf: () => fail("valueOf"),
    toJSON: () => fail("toJSON"),
    [inspect.custom]: () => fail("inspect"),
  }),
};

const functions: Making = {
  "a function": () => () => {},
  "a function that throws": () => () => fail("called"),
  "a function that throws undefined": () => () => {
    throw undefined;
  },
  "a function whose name throws": () => getter("name", () => {}),
  "a function whose toString throws": () => Object.assign(() => {}, { toString: () => fail("toString") }),
  "a class": () => class {},
  "a class that throws": () =>
    class {
      constructor() {
        fail("constructed");
      }
    },
  "a generator": () => function* () {},
  "an async function that rejects": () => async () => fail("called"),
  "a bound function": () => function () {}.bind(null),
  "a function that returns a thenable that throws": () => () => ({ then: () => fail("then") }),
  "a function that returns an object with a then getter that throws": () => () => getter("then"),
  "a function that returns a revoked proxy": () => () => revoked({}),
};

// ------------------------------------------------------------------------------------------------------- proxies, realms

const proxies: Making = {
  ...Object.fromEntries(TRAPS.map((trap) => [`a proxy whose ${trap} throws`, () => throwing({}, [trap])])),
  "a proxy whose every trap throws": () => throwing({}),
  "a proxy of a function whose every trap throws": () => throwing(() => {}),
  "a proxy of a function whose apply throws": () => throwing(() => {}, ["apply"]),
  "a proxy of an array whose every trap throws": () => throwing([]),
  "a proxy of an array whose get throws": () => throwing([1], ["get"]),
  "a proxy of an error whose every trap throws": () => throwing(new Error("odd")),
  "a proxy of a date": () => new Proxy(new Date(0), {}),
  "a proxy of a promise": () => new Proxy(Promise.resolve(1), {}),
  "a revoked proxy of an object": () => revoked({}),
  "a revoked proxy of a function": () => revoked(() => {}),
  "a revoked proxy of an array": () => revoked([]),
  "a proxy that answers everything with itself": () => endless(),
};

const elsewhere = createContext({ setTimeout });
const foreign = (code: string) => (): unknown => runInContext(code, elsewhere) as unknown;

const realms: Making = {
  "another realm's object": foreign("({})"),
  "another realm's array": foreign("[1]"),
  "another realm's date": foreign("new Date(0)"),
  "another realm's error": foreign("new Error('odd')"),
  "another realm's TypeError": foreign("new TypeError('odd')"),
  "another realm's function": foreign("(function () {})"),
  "another realm's function that throws": foreign("(function () { throw new Error('odd') })"),
  "another realm's class": foreign("(class {})"),
  "another realm's promise": foreign("Promise.resolve(1)"),
  "another realm's promise that rejects": foreign(
    "(() => { const p = Promise.reject(new Error('odd')); p.catch(() => {}); return p })()",
  ),
  "another realm's null-prototype object": foreign("Object.create(null)"),
  "another realm's signal": foreign(
    "({ aborted: false, reason: undefined, addEventListener() {}, removeEventListener() {}, throwIfAborted() {} })",
  ),
  "another realm's context": foreign(
    "({ deadline() {}, done() { return null }, err() {}, value() {}, signal: { aborted: false, addEventListener() {}, removeEventListener() {} } })",
  ),
};

// -------------------------------------------------------------------------------------------------- thenables and promises

const rejected = (): Promise<never> => {
  const promise = Promise.reject(new Odd("rejected"));
  promise.catch(() => {});
  return promise;
};

const promises: Making = {
  "a thenable that resolves at once": () => ({ then: (ok: (value: number) => void) => ok(1) }),
  "a thenable that rejects at once": () => ({ then: (_: unknown, no: (error: unknown) => void) => no(new Odd("no")) }),
  "a thenable whose then throws": () => ({ then: () => fail("then") }),
  "a thenable whose then cannot be read": () => getter("then"),
  "a thenable whose then can be read once": () => {
    let read = 0;
    return Object.defineProperty({}, "then", { get: () => (read++ === 0 ? () => {} : fail("then")) });
  },
  "a thenable that resolves and then throws": () => ({
    then: (ok: (value: number) => void) => {
      ok(1);
      fail("then");
    },
  }),
  "a thenable that resolves to one that throws": () => ({
    then: (ok: (value: unknown) => void) => ok({ then: () => fail("then") }),
  }),
  "a thenable that never settles": () => ({ then: () => {} }),
  "a callable thenable": () => Object.assign(() => {}, { then: (ok: (value: number) => void) => ok(1) }),
  "a promise": () => Promise.resolve(1),
  "a promise that has rejected": rejected,
  "a promise that rejects with undefined": () => {
    const promise = Promise.reject(undefined);
    promise.catch(() => {});
    return promise;
  },
  "a promise whose then throws": () => Object.assign(Promise.resolve(1), { then: () => fail("then") }),
  "a promise whose then cannot be read": () => getter("then", Promise.resolve(1)),
  "a promise whose constructor cannot be read": () => getter("constructor", Promise.resolve(1)),
  "a promise whose constructor is no function": () => Object.assign(Promise.resolve(1), { constructor: 1 }),
  "a promise of a class whose species throws": () => {
    class Special<T> extends Promise<T> {
      static override get [Symbol.species](): PromiseConstructor {
        return fail("species");
      }
    }
    return Special.resolve(1);
  },
  "a frozen promise": () => Object.freeze(Promise.resolve(1)),
  "a null-prototype promise": () => Object.setPrototypeOf(Promise.resolve(1), null) as unknown,
};

// ------------------------------------------------------------------------------------------------ our own objects, disguised

const ours: Readonly<Record<string, () => object>> = {
  Chan: () => new Chan(),
  "buffered Chan": () => new Chan(1),
  "closed Chan": () => {
    const ch = new Chan();
    ch.close();
    return ch;
  },
  nil: () => nil,
  background: () => context.background(),
  "context that can end": () => context.withCancel(context.background())[0],
  "context that has ended": () => {
    const [ctx, cancel] = context.withCancel(context.background());
    cancel();
    return ctx;
  },
  "context with a value": () => context.withValue(context.withCancel(context.background())[0], context.key("a"), 1),
  "context without cancel": () => context.withoutCancel(context.withCancel(context.background())[0]),
  Mutex: () => new sync.Mutex(),
  Cond: () => new sync.Cond(new sync.Mutex()),
  semaphore: () => new semaphore.Weighted(1),
  sending: () => sending(new Chan(1), 1),
  Timer: () => new time.Timer(Infinity),
  "channel of a timer": () => time.after(Infinity),
  key: () => context.key("odd"),
  Canceled: () => new context.Canceled(),
  AbortSignal: () => new AbortController().signal,
  "aborted AbortSignal": () => AbortSignal.abort(),
};

const disguised: Making = Object.fromEntries(
  Object.entries(ours).flatMap(([name, make]): [string, () => unknown][] => [
    [`our ${name}`, make],
    [`a transparent proxy of our ${name}`, () => new Proxy(make(), {})],
    [`a proxy of our ${name} whose every trap throws`, () => throwing(make())],
    [`a proxy of our ${name} whose get throws`, () => throwing(make(), ["get"])],
    [`a proxy of our ${name} whose set throws`, () => throwing(make(), ["set", "defineProperty"])],
    [`a proxy of our ${name} whose getPrototypeOf throws`, () => throwing(make(), ["getPrototypeOf"])],
    ...[1, 2, 3, 4, 5, 7, 9, 12].map((n): [string, () => unknown] => [
      `a proxy of our ${name} that throws after ${n} reads`,
      () => tiring(make(), n),
    ]),
    [`a revoked proxy of our ${name}`, () => revoked(make())],
    [`an object derived from our ${name}`, () => Object.create(make()) as unknown],
    [
      `an empty object with the prototype of our ${name}`,
      () => Object.create(Object.getPrototypeOf(make()) as object) as unknown,
    ],
  ]),
);

// ----------------------------------------------------------------------------------------- contexts and signals of others

const ANSWERS: Readonly<Record<string, () => unknown>> = {
  throws: () => fail("asked"),
  "throws undefined": () => {
    throw undefined;
  },
  "answers null": () => null,
  "answers 1": () => 1,
  "answers NaN": () => NaN,
  "answers an object": () => ({}),
  "answers a symbol": () => Symbol("odd"),
  "answers a revoked proxy": () => revoked({}),
  "answers a proxy that throws": () => throwing({}),
  "answers a function that throws": () => () => fail("called"),
  "answers a thenable that throws": () => ({ then: () => fail("then") }),
  "answers a closed channel": () => {
    const ch = new Chan();
    ch.close();
    return ch;
  },
  "answers a proxy of a channel that throws": () => throwing(new Chan(), ["get"]),
  "answers a proxy of a channel that tires": () => tiring(new Chan(), 2),
  "answers an error": () => new Error("ended, odd"),
};

/** A context of somebody's own, which never ends. */
function custom(): Record<string, unknown> & Context {
  const { signal } = new AbortController();
  return { deadline: () => undefined, done: () => null, err: () => undefined, value: () => undefined, signal } as never;
}

const contexts: Making = {
  ...Object.fromEntries(
    ["deadline", "done", "err", "value", "afterFunc"].flatMap((method) =>
      Object.entries(ANSWERS).map(([how, answer]) => [
        `a context whose ${method} ${how}`,
        () => ({ ...custom(), [method]: () => hand(answer()) }),
      ]),
    ),
  ),
  ...Object.fromEntries(
    ["deadline", "done", "err", "value", "afterFunc", "signal"].map((name) => [
      `a context whose ${name} cannot be read`,
      () => getter(name, custom()),
    ]),
  ),
  "a context that throws from the second question on": () => {
    let asked = 0;
    return { ...custom(), err: () => (asked++ === 0 ? undefined : fail("err")) };
  },
  "a context that ends at the second question": () => {
    let asked = 0;
    const error = hand(new context.Canceled());
    return { ...custom(), err: () => (asked++ === 0 ? undefined : error) };
  },
  "a context that ends while it is listened to": () => {
    let error: unknown;
    return {
      ...custom(),
      err: () => error,
      afterFunc: (ended: () => void) => {
        error = new context.Canceled();
        ended();
        return () => false;
      },
    };
  },
  "a context that says it ends, and does not": () => ({
    ...custom(),
    afterFunc: (ended: () => void) => {
      ended();
      ended();
      return () => true;
    },
  }),
  "a context that cannot be let go": () => ({ ...custom(), afterFunc: () => () => fail("stop") }),
  "a context without a signal": () => ({ ...custom(), signal: undefined }),
  "a frozen context": () => Object.freeze(custom()),
  "a context whose text throws": () => ({
    ...custom(),
    toString: () => fail("toString"),
    toJSON: () => fail("toJSON"),
  }),
  "a context whose JSON is an object": () => ({ ...custom(), toJSON: () => ({ toString: () => fail("toString") }) }),
  ...Object.fromEntries(
    Object.entries({
      "that is a proxy that throws": () => throwing(new AbortController().signal),
      "that is a transparent proxy": () => new Proxy(new AbortController().signal, {}),
      "that cannot be listened to": () => ({
        aborted: false,
        addEventListener: () => fail("add"),
        removeEventListener: () => {},
      }),
      "that cannot be let go": () => ({
        aborted: false,
        addEventListener: () => {},
        removeEventListener: () => fail("remove"),
      }),
      "without removeEventListener": () => ({ aborted: false, addEventListener: () => {} }),
      "that calls at once": () => ({
        aborted: false,
        addEventListener: (_: string, fn: () => void) => fn(),
        removeEventListener: () => {},
      }),
    }).map(([how, signal]) => [`a context with a signal ${how}`, () => ({ ...custom(), signal: signal() })]),
  ),
};

const signals: Making = {
  "a signal that cannot be listened to": () => ({
    aborted: false,
    addEventListener: () => fail("add"),
    removeEventListener: () => {},
  }),
  "a signal that cannot be let go": () => ({
    aborted: false,
    addEventListener: () => {},
    removeEventListener: () => fail("remove"),
  }),
  "a signal without removeEventListener": () => ({ aborted: false, addEventListener: () => {} }),
  "a signal that aborts while it is listened to": () => {
    const signal = {
      aborted: false,
      addEventListener: (_: string, fn: () => void) => {
        signal.aborted = true;
        fn.call(undefined);
      },
      removeEventListener: () => {},
      get reason(): unknown {
        return fail("reason");
      },
    };
    return signal;
  },
  "a signal whose aborted can be read once": () => {
    let read = 0;
    return Object.defineProperty({ addEventListener: () => {}, removeEventListener: () => {} }, "aborted", {
      get: () => (read++ === 0 ? false : fail("aborted")),
    });
  },
  "a signal that has aborted and whose reason throws": () =>
    getter("reason", { aborted: true, addEventListener: () => {}, removeEventListener: () => {} }),
  "a signal that has aborted with a revoked proxy": () => AbortSignal.abort(revoked({})),
  "a signal whose addEventListener can be read once": () => {
    let read = 0;
    return Object.defineProperty({ aborted: false, removeEventListener: () => {} }, "addEventListener", {
      get: () => (read++ === 0 ? () => {} : fail("add")),
    });
  },
};

export const ODD: readonly OddValue[] = Object.entries({
  ...primitives,
  ...objects,
  ...functions,
  ...proxies,
  ...realms,
  ...promises,
  ...disguised,
  ...contexts,
  ...signals,
}).map(([name, make]) => ({ name, make, isDeaf: DEAF.includes(name) }));
