/**
 * Messages of PostgreSQL: the delivery of a row, and the texts that can be published.
 *
 * Invariant: the id of a delivery is unique, `<row>.<number of its deliveries so far>`. The second part is the fence:
 * see sql.ts.
 */
import { given, kindOf } from "../../internal/foreign.ts";
import { MAX_MS, type PulledRow } from "./sql.ts";
import type { PostgresDelivery } from "./types.ts";

/** The delivery of a row. */
export function toDelivery(row: PulledRow): PostgresDelivery {
  return {
    id: `${row.id}.${row.deliveries}`,
    body: row.body,
    attempt: row.attempt,
    ...(row.key === null ? {} : { key: row.key }),
    ...(row.attributes === null ? {} : { attributes: JSON.parse(row.attributes) as Readonly<Record<string, string>> }),
  };
}

/**
 * The key after which the next pull begins. A pull that begins after `before` goes through the keys in their order, and
 * from the last one on to the first. So the last key that it gave out is the greatest of those up to `before`, if there
 * are any; otherwise the greatest of all.
 */
export function lastKeyOf(rows: readonly PulledRow[], before: string): string {
  const keys = rows.flatMap(({ key }) => key ?? []);
  const wrapped = keys.filter((key) => key <= before);
  return (wrapped.length > 0 ? wrapped : keys).reduce((a, b) => (a > b ? a : b), wrapped.length > 0 ? "" : before);
}

/** Characters that PostgreSQL rejects, and with them the whole transaction (NUL), or would alter (lone surrogates). */
const UNSTORABLE = /\0|\p{Surrogate}/u;

/**
 * **Errors**: TypeError or RangeError for messages that cannot be published. A transaction of the caller's is not
 * touched then.
 */
export function mustBePublishable(bodies: unknown, key: unknown, attributes: unknown, delay: unknown): void {
  if (!Array.isArray(bodies)) throw new TypeError(`publish: the bodies must be a list of texts; got ${kindOf(bodies)}`);
  if (attributes !== undefined && (typeof attributes !== "object" || attributes === null || Array.isArray(attributes)))
    throw new TypeError("publish: the attributes must be an object");
  const keys = key === undefined ? [] : [key];
  for (const text of [...(bodies as unknown[]), ...keys, ...Object.entries(attributes ?? {}).flat()] as unknown[]) {
    if (typeof text !== "string") {
      throw new TypeError(`publish: bodies, keys and attributes must be texts; got ${kindOf(text)}`);
    }
    if (UNSTORABLE.test(text)) {
      throw new TypeError("publish: PostgreSQL takes no text with the character NUL, or with half a surrogate pair");
    }
  }
  if (key === "") throw new TypeError("publish: a key must not be empty; leave it out");
  if (typeof delay !== "number" || !(delay >= 0 && delay <= MAX_MS)) {
    throw new RangeError(`publish: delay must be a number of ms, from 0 to ${MAX_MS}; got ${given(delay)}`);
  }
}
