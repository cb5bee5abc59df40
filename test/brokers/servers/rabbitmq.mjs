/**
 * A RabbitMQ on the loopback only, with its own epmd and its files in a temporary folder.
 *
 * `start()` resolves to `{ url, stop, restart, pause, resume }`, or to `{ skipped }` with the reason. With HEADGATE_INSTALL=1 it
 * installs the server first, if that is missing.
 *
 * epmd is started here, in the foreground: RabbitMQ would start one that outlives it.
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { end, found, freePort, install, launch, listening } from "./process.mjs";

/** Where Debian has the server itself; the one in the PATH changes the user. */
const DEBIAN = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/** The first ports to try, far enough from each other: they may be taken. */
const PORT = 15672;
const DIST = 25672;
const EPMD = 14369;

export async function start() {
  if (!found("rabbitmq-server")) {
    const why = install("rabbitmq-server");
    if (why !== undefined) return { skipped: why };
  }
  if (!found("epmd")) return { skipped: "epmd, a part of Erlang, is not in the PATH" };
  const [port, dist, epmdPort] = await Promise.all([PORT, DIST, EPMD].map(freePort));
  const folder = await mkdtemp(join(tmpdir(), "headgate-rabbitmq-"));
  const env = {
    HOME: folder,
    ERL_CRASH_DUMP_BYTES: "0",
    ERL_EPMD_ADDRESS: "127.0.0.1",
    ERL_EPMD_PORT: String(epmdPort),
    RABBITMQ_NODENAME: "headgate@localhost",
    RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(dist),
    RABBITMQ_MNESIA_BASE: join(folder, "mnesia"),
    RABBITMQ_LOG_BASE: join(folder, "log"),
    RABBITMQ_SCHEMA_DIR: join(folder, "schema"),
    RABBITMQ_GENERATED_CONFIG_DIR: join(folder, "config"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "enabled_plugins"),
    RABBITMQ_CONFIG_FILE: join(folder, "rabbitmq.conf"),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
  };
  let epmd, server;
  const run = async () => {
    server = launch(existsSync(DEBIAN) ? DEBIAN : "rabbitmq-server", [], env);
    await server.until(() => listening(port), 180_000);
  };
  const stop = async () => {
    for (const [process, name] of [
      [server, "SIGTERM"],
      [epmd, "SIGTERM"],
    ]) {
      process?.signal("SIGCONT");
      if (process !== undefined) await end(process, name);
    }
    // The Erlang machine is in the group of the script that started it, and may outlive it.
    server?.signal("SIGKILL");
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await mkdir(join(folder, "schema"));
    await writeFile(env.RABBITMQ_ENABLED_PLUGINS_FILE, "[].\n");
    await writeFile(env.RABBITMQ_CONFIG_FILE, `listeners.tcp.default = 127.0.0.1:${port}\n`);
    epmd = launch("epmd", ["-address", "127.0.0.1", "-port", String(epmdPort), "-relaxed_command_check"], env);
    await epmd.until(() => listening(epmdPort), 60_000);
    await run();
  } catch (error) {
    await stop();
    return { skipped: String(error) };
  }
  return {
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    /** Kills the server, as a crash would, and starts it again with the same files. */
    async restart() {
      await end(server, "SIGKILL");
      while (await listening(port)) server.signal("SIGKILL");
      await run();
    },
    /** Kills it for good. */
    async kill() {
      await end(server, "SIGKILL");
      while (await listening(port)) server.signal("SIGKILL");
    },
    pause: () => server.signal("SIGSTOP"),
    resume: () => server.signal("SIGCONT"),
    stop,
  };
}
