/**
 * `npm run demo -- --broker URL` on a real broker, in processes of its own: one that runs to its end, two that share the work, of which
 * one is stopped, and one that cannot get there.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { serverOf } from "./suite.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Registers the tests. `wrong` makes a url with a password that the server does not take. */
export async function isDemonstrated(name, wrong) {
  const { start } = await import(`./servers/${name}.mjs`);
  const server = await serverOf(`${name}, demo`, start);
  if (server === undefined) return;
  const placeOf = (address) =>
    name === "pubsub" ? { url: "pubsub:lab", env: { PUBSUB_EMULATOR_HOST: address } } : { url: address, env: {} };
  const demo = (address, args = []) => {
    const { url, env } = placeOf(address);
    return new Demo(["docs/run.mjs", "demo/main.ts", "--broker", url, ...args], env);
  };
  const { href } = new URL(name === "pubsub" ? `none://${server.url}` : server.url);
  /** The same broker at another port, with a password that must not be seen. */
  const elsewhere = (port) =>
    name === "pubsub"
      ? `127.0.0.1:${port}`
      : href.replace(/\/\/.*@|\/\//, "//user:geheim@").replace(/:\d+/, `:${port}`);

  // It compiles everything; the others run what it has made.
  const { code } = await new Demo(["docs/run.mjs", "demo/main.ts", "--help"], {}).ended;
  assert.equal(code, 0);

  void test(`${name}: the demo`, { concurrency: 2, timeout: 900_000 }, async (t) => {
    const tests = {
      "runs to its end, and its account adds up": async () => {
        const args =
          "--json --messages 100 --slow 20 --refuse 0.2 --hang 0.01 --timeout 400 --attempts 4 --queue alone";
        const { report, gateway, broker } = accountOf(await demo(server.url, args.split(" ")).ended);
        assert.match(report.cause, /nothing more has come/);
        assert.deepEqual([report.released, report.expired, report.abandoned], [0, 0, 0]);
        assert.equal(broker.published, 100);
        assert.equal(report.acked + report.dead, 100);
        assert.ok(report.retried > 0);
        // An answer that comes too late is one for the gateway, and none for the worker.
        assert.ok(gateway.distinct >= report.acked && gateway.distinct <= 100);
        assert.deepEqual(broker, { published: 100, unconfirmed: 0, left: name === "pubsub" ? null : 0 });
      },
      "shares the work with another, and one goes on where the other is stopped: nothing is accepted twice":
        async () => {
          const args =
            "--json --messages 150 --concurrency 5 --slow 200 --refuse 0 --hang 0 --timeout 60000 --queue two";
          const [first, second] = [1, 2].map(() => demo(server.url, args.split(" ")));
          await Promise.all([first, second].map((each) => each.says(/[1-9]\d* acked/)));
          second.signal("SIGTERM");
          const [stopped, over] = [accountOf(await second.ended), accountOf(await first.ended)];
          assert.match(stopped.report.cause, /SIGTERM signal received/);
          assert.match(over.report.cause, /nothing more has come/);
          const sum = (count) => count(stopped) + count(over);
          // As many were published as were accepted and acked, none is left, and no process has got one twice: none came twice at all.
          assert.equal(over.broker.published, 150);
          const published = sum(({ broker }) => broker.published);
          for (const count of [
            ({ report }) => report.acked,
            ({ gateway }) => gateway.accepted,
            ({ gateway }) => gateway.distinct,
          ])
            assert.equal(sum(count), published);
          assert.ok(over.report.acked > 0 && stopped.report.acked > 0 && over.report.acked < published);
          if (name !== "pubsub") assert.equal(over.broker.left, 0);
          for (const { report, broker } of [stopped, over])
            assert.deepEqual([report.retried, report.dead, report.expired, broker.unconfirmed], [0, 0, 0, 0]);
        },
      "ends with 1 and says why where there is no server, without a stack or a password": async () => {
        const { code, out, errors } = await demo(elsewhere(1)).ended;
        assert.deepEqual([code, out], [1, ""]);
        assert.match(errors, /^demo: cannot use \S+: .*refused/im);
        isDiscreet(errors);
      },
      "is stopped while it waits for a server that says nothing": async () => {
        const silent = createServer((socket) => socket.on("error", () => {}));
        silent.listen(0, "127.0.0.1");
        await once(silent, "listening");
        const waiting = demo(elsewhere(silent.address().port));
        await Promise.race([once(silent, "connection"), waiting.ended]);
        waiting.signal("SIGTERM");
        const { code, out, errors } = await waiting.ended;
        silent.close();
        assert.deepEqual([code, out], [1, ""]);
        assert.match(errors, /^demo: stopped before \S+ had answered$/m);
        isDiscreet(errors);
      },
    };
    if (wrong !== undefined) {
      tests["ends with 1 and says why where it may not come in"] = async () => {
        const { code, errors } = await demo(wrong(href)).ended;
        assert.equal(code, 1);
        assert.match(errors, /^demo: cannot use \S+: .*(password|refused)/im);
        isDiscreet(errors);
      };
    }
    await Promise.all(Object.entries(tests).map(([title, run]) => t.test(title, run)));
  });
}

/** The object that the demo prints with --json. Each account adds up by itself. */
function accountOf({ code, out, errors }) {
  assert.equal(code, 0, errors);
  const account = JSON.parse(out);
  const { pulled, acked, retried, released, dead, expired } = account.report;
  assert.equal(pulled, acked + retried + released + dead + expired);
  return account;
}

function isDiscreet(errors) {
  assert.doesNotMatch(errors, /geheim/);
  assert.doesNotMatch(errors, /^ +at /m);
}

/** A process of the demo. */
class Demo {
  #child;
  #errors = "";
  #heard = () => {};

  constructor(args, env) {
    this.#child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, ...env } });
    const { stdout, stderr } = this.#child;
    let out = "";
    stdout.setEncoding("utf8").on("data", (text) => (out += text));
    stderr.setEncoding("utf8").on("data", (text) => {
      this.#errors += text;
      this.#heard();
    });
    // Nothing is left running, however we end.
    const kill = () => this.#child.kill("SIGKILL");
    process.once("exit", kill);
    this.ended = once(this.#child, "close").then(([code]) => {
      process.off("exit", kill);
      return { code, out, errors: this.#errors };
    });
  }

  /** Waits until stderr says so, or the process has ended. */
  async says(pattern) {
    const said = new Promise((resolve) => {
      this.#heard = () => pattern.test(this.#errors) && resolve();
      this.#heard();
    });
    await Promise.race([said, this.ended]);
  }

  signal(name) {
    this.#child.kill(name);
  }
}
