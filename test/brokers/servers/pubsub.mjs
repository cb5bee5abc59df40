/**
 * Google's emulator of Pub/Sub, on the loopback only.
 *
 * `start()` resolves to `{ url, stop, restart, kill, pause, resume }`, or to `{ skipped }` with the reason. The emulator comes in Google's
 * package `google-cloud-cli-pubsub-emulator`, which Debian does not have; so it is never installed here, only found.
 * It keeps everything in memory: after `restart` it has neither topics nor subscriptions.
 */
import { spawnSync } from "node:child_process";
import { end, found, freePort, launch, listening } from "./process.mjs";

/** The first port to try: it may be taken. */
const PORT = 18085;
const PACKAGE = "google-cloud-cli-pubsub-emulator";

export async function start() {
  const files = spawnSync("dpkg", ["-L", PACKAGE], { encoding: "utf8" }).stdout ?? "";
  const jar = files.split("\n").find((file) => /\/cloud-pubsub-emulator-.*-all\.jar$/.test(file));
  if (jar === undefined) return { skipped: `the package ${PACKAGE} is not installed` };
  if (!found("java")) return { skipped: "java, which the emulator runs on, is not in the PATH" };
  const port = await freePort(PORT);
  // The client would look for a metadata server, off the loopback.
  process.env.METADATA_SERVER_DETECTION = "none";
  const run = async () => {
    const server = launch("java", ["-jar", jar, "--host=127.0.0.1", `--port=${port}`]);
    await server.until(() => listening(port), 180_000);
    return server;
  };
  let server;
  try {
    server = await run();
  } catch (error) {
    return { skipped: String(error) };
  }
  return {
    url: `127.0.0.1:${port}`,
    /** Kills the server, as a crash would, and starts it again. */
    async restart() {
      await end(server, "SIGKILL");
      server = await run();
    },
    /** Ends the server, as a crash would, and does not start it again. */
    kill: () => end(server, "SIGKILL"),
    pause: () => server.signal("SIGSTOP"),
    resume: () => server.signal("SIGCONT"),
    async stop() {
      server.signal("SIGCONT");
      await end(server, "SIGTERM");
    },
  };
}
