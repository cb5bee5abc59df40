/** PostgreSQL: a queue in the table headgate_demo, and dead letters in headgate_demo_dead. */
import { createQueue, type PostgresPool, postgresQueue } from "headgate/worker/postgres";
import { load } from "../clients.ts";
import { type Adapter, LEASE } from "./broker.ts";

interface Client {
  readonly connection: { readonly stream: { destroy(): void } };
  once(event: "end", listener: () => void): unknown;
}
type Pool = PostgresPool & {
  on(event: "error", listener: () => void): unknown;
  on(event: "connect", listener: (client: Client) => void): unknown;
  end(): Promise<void>;
};
interface Pg {
  readonly Pool: new (options: object) => Pool;
}

const table = "headgate_demo";

/** ms that the server may take to say goodbye. */
const GOODBYE = 1_500;

export async function openPostgres(url: URL, queue: string): Promise<Adapter> {
  const { Pool } = load<Pg>("pg");
  const times = { connectionTimeoutMillis: 5_000, query_timeout: 5_000 };
  const pool = new Pool({ connectionString: url.href, max: 6, keepAlive: true, ...times });
  // Without this listener, an error of the emitter would end the process.
  pool.on("error", () => {});
  const clients = new Set<Client>();
  pool.on("connect", (client) => {
    clients.add(client);
    client.once("end", () => clients.delete(client));
  });
  // A server that hangs says none. What the pool has let go of may still wait for it.
  const end = async (): Promise<void> => {
    const cut = setTimeout(() => {
      for (const { connection } of clients) connection.stream.destroy();
    }, GOODBYE);
    cut.unref();
    await pool.end();
  };
  try {
    await createQueue(pool, { table });
  } catch (error) {
    await end();
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
      return end();
    },
  };
}
