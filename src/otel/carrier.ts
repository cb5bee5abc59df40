/**
 * Reading the ids of a trace from the attributes of a message.
 *
 * Names are compared without regard to case: clients in other languages write `Traceparent`, as for HTTP.
 */
import type { OtelGetter } from "./api.ts";

export const getter: OtelGetter = {
  keys: (carrier) => Object.keys(carrier),
  get(carrier, key) {
    const name = Object.hasOwn(carrier, key)
      ? key
      : Object.keys(carrier).find((each) => each.toLowerCase() === key.toLowerCase());
    const value: unknown = name === undefined ? undefined : carrier[name];
    return typeof value === "string" ? value : undefined;
  },
};
