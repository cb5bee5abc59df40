/**
 * A nats-server with JetStream, on the loopback only, with its files in a temporary folder.
 *
 * `start()` resolves to `{ url, stop, restart, kill, pause, resume }`, or to `{ skipped }` with the reason. With HEADGATE_INSTALL=1 it
 * installs the server first, if that is missing. `config` is in the server's own language: who may do what.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { end, found, freePort, install, launch, listening } from "./process.mjs";

/** The first port to try: somebody else may have it. */
const PORT = 14222;

export async function start(config = "") {
  if (!found("nats-server")) {
    const why = install("nats-server");
    if (why !== undefined) return { skipped: why };
  }
  const port = await freePort(PORT);
  const folder = await mkdtemp(join(tmpdir(), "headgate-nats-"));
  const file = join(folder, "server.conf");
  await writeFile(file, config);
  const run = async () => {
    const args = ["-c", file, "-a", "127.0.0.1", "-p", String(port), "-js", "-sd", join(folder, "store")];
    const server = launch("nats-server", args);
    await server.until(() => listening(port), 60_000);
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
