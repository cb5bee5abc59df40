/**
 * The programs of docs/observability.md. log.mjs: each line has the trace of its message. trace.mjs on a broker in memory, a RabbitMQ and a PostgreSQL: one request is one trace, from the publish to the
 * compensation. The `broker.mjs` beside it is that of the broker's page.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { promisify } from "node:util";
import { fileOf } from "../brokers/page.mjs";
import { start as startPostgres } from "../brokers/servers/postgres.mjs";
import { start as startRabbit } from "../brokers/servers/rabbitmq.mjs";

const here = import.meta.dirname;
const docs = join(here, "..", "..", "docs", "observability");
const memory = `
import { memoryBroker } from "headgate/worker";
export async function open() {
  const source = memoryBroker();
  return { source, publish: (body, attributes) => source.publish(body, { attributes }), close: async () => {} };
}
`;

/** What it prints: the tree of the trace, and the calls with verdicts, which have traces of their own. */
const TREE = `POST /orders
   send orders
      process orders  (retried, Error)
      process orders  (acked)
         saga trip  (compensated, Error)
            step hotel
               POST /rooms
            step flight  (Error)
               POST /seats
            compensate flight
               DELETE /seats
            compensate hotel
               DELETE /rooms
nack orders, linked to send orders
ack orders, linked to send orders
`;

/** What a program of the page prints, beside this broker.mjs. */
async function outputOf(t, name, broker, env = {}) {
  const folder = mkdtempSync(join(tmpdir(), "headgate-trace-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  symlinkSync(join(here, "node_modules"), join(folder, "node_modules"), "dir");
  writeFileSync(join(folder, "broker.mjs"), broker);
  copyFileSync(join(docs, name), join(folder, name));
  const options = { env: { ...process.env, ...env }, timeout: 120_000 };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(folder, name)], options);
  assert.equal(stderr, "");
  return stdout;
}

void test("pino: the lines of a handler have the trace of their message, and a report has no body", async (t) => {
  const lines = (await outputOf(t, "log.mjs", memory))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ msg, body, acked }) => [msg, body, acked]),
    [
      ["handled", "a", undefined],
      ["handled", "b", undefined],
      ["the worker has ended", undefined, 2],
    ],
  );
  const [a, b, end] = lines.map(({ trace_id }) => trace_id);
  for (const id of [a, b]) assert.match(id, /^[0-9a-f]{32}$/);
  assert.notEqual(a, b);
  assert.equal(end, undefined);
});

void test("memory: a request is one trace, from the publish to the compensation", async (t) => {
  assert.equal(await outputOf(t, "trace.mjs", memory), TREE);
});

for (const [name, start, env] of [
  ["RabbitMQ", startRabbit, ({ url }) => ({ RABBITMQ_URL: url, SYSTEM: "rabbitmq" })],
  ["PostgreSQL", startPostgres, ({ url }) => ({ POSTGRES_URL: url, SYSTEM: "postgresql" })],
])
  void test(
    `${name}: a request is one trace, from the publish to the compensation`,
    { timeout: 400_000 },
    async (t) => {
      const server = await start();
      if (server.skipped !== undefined) return t.skip(server.skipped);
      t.after(() => server.stop());
      assert.equal(await outputOf(t, "trace.mjs", fileOf(`broker.mjs, ${name}`), env(server)), TREE);
    },
  );
