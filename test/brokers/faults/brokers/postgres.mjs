/** PostgreSQL, for the fault runs: as a worker process uses it, and as who publishes and looks after it does. */
import { createQueue, postgresQueue } from "headgate/worker/postgres";
import pg from "pg";

/** ms of a lease that may run out in a run, and of one that should not. */
export const leases = { short: 4_000, long: 30_000 };
export const tells = true;
/** All its processes end at once, without any farewell, and it recovers from its log. */
export const restarts = "SIGQUIT";

const table = "faults";

function poolOf(url, max) {
  const pool = new pg.Pool({ connectionString: url, max, query_timeout: 10_000 });
  // An emitter's error ends the process if it has no listener.
  pool.on("error", () => {});
  return pool;
}

export async function open(url, queue, { lease }) {
  const pool = poolOf(url, 4);
  const source = postgresQueue(pool, { table, queue, lease });
  const close = () => {
    source.close();
    return pool.end();
  };
  return { source, close };
}

export async function admin(url) {
  const pool = poolOf(url, 4);
  await createQueue(pool, { table });
  const of = (queue) => postgresQueue(pool, { table, queue });
  return {
    async create() {},
    publish: (queue, bodies) => of(queue).publish(bodies),
    async deadLetters(queue) {
      const { rows } = await pool.query(`select body, reason from ${table}_dead where queue = $1`, [queue]);
      return rows;
    },
    left: (queue) => of(queue).size(),
    close: () => pool.end(),
  };
}
