/**
 * Messages of PostgreSQL: what the source of postgres.ts makes of the rows it pulled.
 *
 * Invariant: the id of a delivery is never that of another: `<row>.<number of its deliveries so far>`.
 */
import type { PulledRow } from "./sql.ts";
import type { PostgresDelivery } from "./index.ts";

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

/** The last key that was given out on a way through all keys, which goes on at the first after the last. */
export function lastOf(rows: readonly PulledRow[], before: string): string {
  const keys = rows.flatMap(({ key }) => key ?? []);
  const again = keys.filter((key) => key <= before);
  return (again.length > 0 ? again : keys).reduce((a, b) => (a > b ? a : b), again.length > 0 ? "" : before);
}
