/**
 * A nats-server with JetStream, on the loopback only, with its files in a temporary folder.
 *
 * `start()` resolves to `{ url, stop, restart, kill, pause, resume }`, or to `{ skipped }` with the reason. With HEADGATE_INSTALL=1 it
 * installs the server first, if that is missing.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { end, found, freePort, install, launch, listening } from "./process.mjs";

/** The first port to try: somebody else may have it. */
const PORT = 14222;

export async function start() {
  if (!found("nats-server")) {
    const why = install("nats-server");
    if (why !== undefined) return { skipped: why };
  }
  const port = await freePort(PORT);
  const folder = await mkdtemp(join(tmpdir(), "headgate-nats-"));
  const run = async () => {
    const server = launch("nats-server", ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", folder]);
    await server.until(() => listening(port), 10_000);
    return server;
  };
  let server;
  try {
    server = await run();
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    return { skipped: String(error) };
  }
  return {
    url: `nats://127.0.0.1:${port}`,
    /** Kills the server, as a crash would, or ends it by another signal, and starts it again with the same files. */
    async restart(signal = "SIGKILL") {
      await end(server, signal);
      server = await run();
    },
    /** Ends the server, as a crash would, and does not start it again. */
    kill: () => end(server, "SIGKILL"),
    pause: () => server.signal("SIGSTOP"),
    resume: () => server.signal("SIGCONT"),
    async stop() {
      server.signal("SIGCONT");
      await end(server, "SIGTERM");
      await rm(folder, { recursive: true, force: true });
    },
  };
}
