/** The brokers of the fault runs: the server of each, and what is particular about it. */

export const brokers = ["redis", "postgres", "nats", "rabbitmq", "pubsub"];

export async function brokerOf(name) {
  const [{ start }, adapter] = await Promise.all([import(`../servers/${name}.mjs`), import(`./brokers/${name}.mjs`)]);
  return { name, start, adapter, leases: adapter.leases };
}
