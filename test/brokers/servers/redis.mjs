/**
 * A redis-server on the loopback only, with its files in a temporary folder.
 *
 * `start()` resolves to `{ url, stop, restart, pause, resume }`, or to `{ skipped }` with the reason. With HEADGATE_INSTALL=1 it
 * installs the server first, if that is missing.
 * It writes each command to its append-only file before it answers, so it has all of them after `restart`. With `everysec` it would put off a
 * write for up to two seconds while the disk is busy with the last one; what it never syncs, the kernel has all the same.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { end, found, freePort, install, launch, listening } from "./process.mjs";

/** The first port to try: somebody else may have it. */
const PORT = 16379;

export async function start() {
  if (!found("redis-server")) {
    const why = install("redis-server");
    if (why !== undefined) return { skipped: why };
  }
  const port = await freePort(PORT);
  const folder = await mkdtemp(join(tmpdir(), "headgate-redis-"));
  const args = ["--bind", "127.0.0.1", "--port", String(port), "--dir", folder, "--save", ""];
  const run = async () => {
    const server = launch("redis-server", [...args, "--appendonly", "yes", "--appendfsync", "no"]);
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
    url: `redis://127.0.0.1:${port}`,
    /** Kills the server, as a crash would, and starts it again with the same files. */
    async restart() {
      await end(server, "SIGKILL");
      server = await run();
    },
    /** Ends the server as a crash would, and does not start it again. */
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
