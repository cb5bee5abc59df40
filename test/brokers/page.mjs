/**
 * docs/worker.md, followed to the letter: the programs of "Your first worker" with the `broker.mjs` of a page in docs/brokers/, on a
 * real server. Two workers share what is published; one is stopped in mid-run by SIGTERM, and the other one later.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { proxyTo } from "./faults/proxy.mjs";

const modules = fileURLToPath(new URL("node_modules", import.meta.url));
/** The page of each broker, by its name. */
const PAGES = {
  Redis: "brokers/redis.md",
  PostgreSQL: "brokers/postgres.md",
  NATS: "brokers/nats.md",
  RabbitMQ: "brokers/rabbitmq.md",
  "Pub/Sub": "brokers/pubsub.md",
};

/** Registers the test; `broker` is its name, `env` says where the server is. */
export function isFollowed(broker, env) {
  const title = `${broker}: by the programs of the page, two workers share the orders, one is stopped, and each order is handled once`;
  void test(title, { timeout: 300_000 }, async (t) => {
    const folder = folderOf(t, broker);
    const start = (file) => {
      const program = startProgram(join(folder, file), env);
      t.after(() => program.child.kill("SIGKILL"));
      return program;
    };

    // The first makes the queue, if there is none.
    const publisher = start("publish.mjs");
    const [first, second] = [start("worker.mjs"), start("worker.mjs")];
    const orders = () => [first, second].flatMap(({ said }) => said.match(/(?<=^handled )order \d+$/gm) ?? []);
    await first.until(() => (first.said.match(/^handled /gm) ?? []).length > 20);
    first.child.kill("SIGTERM");
    await Promise.all([first.ends, publisher.ends]);
    await second.until(() => new Set(orders()).size === 500);
    second.child.kill("SIGTERM");
    await second.ends;

    assert.equal(publisher.told, "");
    for (const { told } of [first, second]) assert.match(told, /expired: 0,[^]*stopped: 'cancelled'/);
    const expected = Array.from({ length: 500 }, (_, i) => `order ${i + 1}`);
    assert.deepEqual(orders().sort(), expected.sort());
  });
}

/**
 * Registers the tests of what becomes of the program of the page when its broker hangs, or is gone. `start` starts a server of its own, and
 * `env` says where that is.
 */
export function isEnded(broker, start, env) {
  const troubles = { hangs: (server) => server.pause(), "is gone": (server) => server.kill() };
  for (const [trouble, make] of Object.entries(troubles)) {
    const title = `${broker}: the program of the page prints its report, says what is wrong, and ends with 1 when its broker ${trouble}`;
    void test(title, { timeout: 300_000 }, async (t) => {
      const server = await start();
      t.after(() => server.stop());
      const folder = folderOf(t, broker);
      // With a shorter grace: the default is 25 s.
      const grace = 4_000;
      writeFileSync(
        join(folder, "worker.mjs"),
        fileOf("worker.mjs").replace("    abort,\n", `    abort, grace: ${grace},\n`),
      );
      const begin = (file) => {
        const program = startProgram(join(folder, file), env(server));
        t.after(() => program.child.kill("SIGKILL"));
        return program;
      };
      await begin("publish.mjs").ends;
      const program = begin("worker.mjs");
      await program.until(() => (program.said.match(/^handled /gm) ?? []).length > 20);
      // What is handled now cannot be acked.
      const more = once(program.child.stdout, "data");
      await make(server);
      await more;
      const asked = Date.now();
      program.child.kill("SIGTERM");
      const [code] = await once(program.child, "close");
      const took = Date.now() - asked;
      assert.match(program.told, /expired: [1-9][^]*stopped: 'cancelled'/);
      assert.match(program.told, /^\w*Error: /m);
      assert.doesNotMatch(program.told, /triggerUncaughtException|UnhandledPromiseRejection/);
      assert.equal(code, 1);
      // The grace, two seconds to close, and what a busy machine adds. Without a limit it takes more than a minute.
      assert.ok(took < grace + 20_000, `it took ${took} ms`);
    });
  }
}

/** Registers the test of the program of the page on a connection that something between has forgotten. `env` says where a server at a port is. */
export function isReconnected(broker, server, env) {
  const title = `${broker}: the program of the page goes on, on another connection, when nothing comes back on its own`;
  void test(title, { timeout: 300_000 }, async (t) => {
    const address = /(?<host>127\.0\.0\.1):(?<port>\d+)/;
    const proxy = await proxyTo(Number(address.exec(server.url).groups.port));
    t.after(() => proxy.close());
    const folder = folderOf(t, broker);
    const begin = (file, url) => {
      const program = startProgram(join(folder, file), env(url));
      t.after(() => program.child.kill("SIGKILL"));
      return program;
    };
    await begin("publish.mjs", server.url).ends;
    const program = begin("worker.mjs", server.url.replace(address, `127.0.0.1:${proxy.port}`));
    const orders = () => new Set(program.said.match(/(?<=^handled )order \d+$/gm));
    await program.until(() => orders().size > 20);
    proxy.swallow();
    await program.until(() => orders().size === 500);
    program.child.kill("SIGTERM");
    // On a machine that is too busy to be in time a lease may have been lost; then it says so.
    const [code] = await once(program.child, "close");
    assert.match(program.told, code === 0 ? /expired: 0,/ : /expired: [1-9]/);
  });
}

/** Registers the test of the program of the page on a server that does not let it pull. `says` is what it must say of that. */
export function isToldOff(broker, env, says) {
  const title = `${broker}: the program of the page says once what it may not do, and ends with 1`;
  void test(title, { timeout: 300_000 }, async (t) => {
    const program = startProgram(join(folderOf(t, broker), "worker.mjs"), env);
    t.after(() => program.child.kill("SIGKILL"));
    while (!says.test(program.told)) await Promise.race([once(program.child.stderr, "data"), program.ends]);
    // It tries again and again.
    await sleep(1_500);
    program.child.kill("SIGTERM");
    const [code] = await once(program.child, "close");
    // The report says it once more.
    const [before, report] = program.told.split(/(?=^\{$)/m);
    assert.equal(before.split(says).length, 2, program.told);
    assert.match(report, /pulled: 0,[^]*stopped: 'cancelled'/);
    assert.match(report, says);
    assert.equal(code, 1);
  });
}

/** A folder with the files of the page. */
function folderOf(t, broker) {
  const folder = mkdtempSync(join(tmpdir(), "headgate-page-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  symlinkSync(modules, join(folder, "node_modules"), "dir");
  for (const name of ["worker.mjs", "publish.mjs"]) writeFileSync(join(folder, name), fileOf(name));
  writeFileSync(join(folder, "broker.mjs"), fileOf(`broker.mjs, ${broker}`));
  return folder;
}

/** The text of a file by what its fence says after the language: of docs/worker.md, or behind a comma the broker whose page has it. */
export function fileOf(name) {
  const [, broker] = name.split(", ");
  const page = broker === undefined ? "worker.md" : PAGES[broker];
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), "utf8");
  const file = text.split(`\n\`\`\`js ${name}\n`)[1]?.split("\n```\n")[0];
  if (file === undefined) throw new Error(`docs/${page} has no ${name}`);
  return `${file}\n`;
}

function startProgram(file, env) {
  const child = spawn(process.execPath, [file], { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const program = {
    child,
    /** Its standard output, and its standard error. */
    said: "",
    told: "",
    ends: once(child, "close").then(([code, signal]) => {
      if (code !== 0) throw new Error(`${file} ended with ${code ?? signal}: ${program.told}`);
    }),
    async until(isSo) {
      while (!isSo()) await Promise.race([once(child.stdout, "data"), program.ends.then(() => gone(file))]);
    },
  };
  // Whoever waits for it is told.
  program.ends.catch(() => {});
  child.stdout.setEncoding("utf8").on("data", (text) => (program.said += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (program.told += text));
  return program;
}

function gone(file) {
  throw new Error(`${file} ended too early`);
}
