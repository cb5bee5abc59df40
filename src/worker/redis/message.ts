/** Entries of a stream: from a reply of the server to deliveries, and from a published message to fields. */
import { onlyKnown } from "../../internal/args.ts";
import { kindOf } from "../../internal/foreign.ts";
import type { RedisDelivery, RedisPublishOptions } from "./types.ts";

export type Entry = readonly [id: string, fields: readonly string[]];

/**
 * The entries of the only stream of a reply: a list of pairs in RESP2, a map in RESP3, which each client represents in
 * its own way.
 */
export function entriesOf(reply: unknown): readonly Entry[] {
  if (reply === null || reply === undefined) return [];
  const pairs: unknown = reply instanceof Map ? [...reply] : Array.isArray(reply) ? reply : Object.entries(reply);
  const [first, second] = pairs as readonly unknown[];
  return (Array.isArray(first) ? first[1] : second) as readonly Entry[];
}

/** The delivery of an entry. Of several fields with one name the last counts. */
export function toDelivery(
  id: string,
  entry: string,
  fields: readonly string[],
  attempt: number,
  bodyField: string = "body",
  keyField: string = "key",
): RedisDelivery {
  // A Map, because a field may have the name of a member of Object.prototype.
  const all = new Map<string, string>();
  for (let i = 0; i < fields.length; i += 2) all.set(fields[i]!, fields[i + 1]!);
  const [body = "", key] = [all.get(bodyField), all.get(keyField)];
  all.delete(bodyField);
  all.delete(keyField);
  return { id, body, attempt, entry, attributes: Object.fromEntries(all), ...(key ? { key } : {}) };
}

/** The order of two entries in the stream. */
export function compareEntries(a: string, b: string): number {
  const [[aMs, aSeq], [bMs, bSeq]] = [a, b].map((id) => id.split("-").map(BigInt)) as [
    [bigint, bigint],
    [bigint, bigint],
  ];
  const difference = aMs === bMs ? aSeq - bSeq : aMs - bMs;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

const PUBLISH: Readonly<Record<keyof RedisPublishOptions, true>> = { key: true, attributes: true };

/**
 * The fields of a message to publish.
 *
 * **Errors**: TypeError for anything but text, and for an attribute with the name of the field of the body or of the
 * key.
 */
export function toFields(
  body: string,
  options: RedisPublishOptions,
  bodyField: string = "body",
  keyField: string = "key",
): readonly string[] {
  const { key, attributes = {} } = onlyKnown("publish", options, PUBLISH);
  for (const name of [bodyField, keyField]) {
    if (Object.hasOwn(attributes, name)) throw new TypeError(`publish: an attribute cannot be called ${name}`);
  }
  const fields = [bodyField, body, ...(key === undefined ? [] : [keyField, key]), ...Object.entries(attributes).flat()];
  for (const text of fields) {
    if (typeof text === "string") continue;
    throw new TypeError(`publish: body, key and attributes must be texts; got ${kindOf(text)}`);
  }
  return fields;
}
