/** PostgreSQL: a queue in the table headgate_demo, and dead letters in headgate_demo_dead. */
import { createQueue, type PostgresPool, postgresQueue } from "headgate/worker/postgres";
import { load } from "../clients.ts";
import { type Adapter, LEASE } from "./broker.ts";

type Pool = PostgresPool & {
  on(event: "error", listener: () => void): unknown;
  end(): Promise<void>;
};
interface Pg {
  readonly Pool: new (options: object) => Pool;
}

const table = "headgate_demo";

export async function openPostgres(url: URL, queue: string): Promise<Adapter> {
  const { Pool } = load<Pg>("pg");
  const times = { connectionTimeoutMillis: 5_000, query_timeout: 5_000 };
  const pool = new Pool({ connectionString: url.href, max: 6, keepAlive: true, ...times });
  // Whoever does not listen to an emitter's errors is ended by them.
  pool.on("error", () => {});
  try {
    await createQueue(pool, { table });
  } catch (error) {
    await pool.end();
    throw error;
  }
  const source = postgresQueue(pool, { table, queue, lease: LEASE });
  return {
    source,
    publish: (texts) => source.publish(texts),
    left: () => source.size(),
    deadLetters: `the table ${table}_dead`,
    close() {
      source.close();
      return pool.end();
    },
  };
}
