/**
 * What may be thrown, or returned, by code that is not ours: values that do not bear to be asked, or to be awaited.
 */
const boom = new Error("asked too much");

/** An object whose traps all throw. */
export function hostile(target: object = new Error("hidden")): object {
  const throws = (): never => {
    throw boom;
  };
  const handler: ProxyHandler<object> = {};
  for (const trap of ["get", "has", "getPrototypeOf", "ownKeys", "getOwnPropertyDescriptor"] as const)
    handler[trap] = throws;
  return new Proxy(target, handler);
}

export function revoked(): object {
  const { proxy, revoke } = Proxy.revocable(new Error("hidden"), {});
  revoke();
  return proxy;
}

/** Errors that break who awaits them, or asks them, by name. */
export const odd: readonly (readonly [what: string, make: () => unknown])[] = [
  [
    "an error with a then that succeeds",
    () => Object.assign(new Error("declined"), { then: (ok: (v: unknown) => void) => ok(1) }),
  ],
  ["an error with a then that never settles", () => Object.assign(new Error("declined"), { then: () => {} })],
  ["an error whose then cannot be read", () => unreadable(new Error("declined"), "then")],
  ["an error whose name cannot be read", () => unreadable(new Error("declined"), "name")],
  ["an error whose message cannot be read", () => unreadable(new Error("declined"), "message")],
  ["an error whose cause cannot be read", () => unreadable(new Error("declined"), "cause")],
  ["an error whose stack cannot be read", () => unreadable(new Error("declined"), "stack")],
  ["an error whose constructor cannot be read", () => unreadable(new Error("declined"), "constructor")],
  ["a proxy whose traps throw", () => hostile()],
  ["a proxy that was revoked", revoked],
  ["an object without a prototype", () => Object.create(null) as object],
  ["a promise that is rejected", () => silenced(Promise.reject(new Error("inner")))],
  ["a promise that never settles", () => new Promise(() => {})],
  ["an empty text", () => ""],
  ["nothing", () => undefined],
  ["a symbol", () => Symbol("odd")],
];

export function unreadable<T extends object>(object: T, key: string): T {
  return Object.defineProperty(object, key, {
    get() {
      throw boom;
    },
  });
}

function silenced<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
