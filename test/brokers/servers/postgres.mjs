/**
 * A PostgreSQL of its own, on the loopback only, with its files in a temporary folder.
 *
 * `start()` resolves to `{ url, stop, restart, pause, resume }`, or to `{ skipped }` with the reason. With HEADGATE_INSTALL=1 it
 * installs the server first, if that is missing. The server refuses to run as root; then it runs as the user postgres.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort, install } from "./process.mjs";

/** The first port to try: it may be taken. */
const PORT = 15432;

export async function start() {
  let bin = folderOfPrograms();
  if (bin === undefined) {
    const why = install("postgresql");
    bin = folderOfPrograms();
    if (bin === undefined) return { skipped: why ?? "postgresql is installed, but has no initdb" };
  }
  const user = unprivileged();
  if (user === undefined) return { skipped: "postgresql refuses to run as root, and there is no user postgres" };
  const port = await freePort(PORT);

  const folder = mkdtempSync(join(tmpdir(), "headgate-postgres-"));
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid);
  const data = join(folder, "data");
  const options = { ...user, cwd: folder, encoding: "utf8" };
  const init = spawnSync(
    join(bin, "initdb"),
    ["-D", data, "-A", "trust", "-U", "headgate", "-E", "UTF8", "-N"],
    options,
  );
  if (init.status !== 0) {
    rmSync(folder, { recursive: true, force: true });
    return { skipped: `initdb failed: ${init.error?.message ?? init.stderr.trim()}` };
  }

  const run = async () => {
    const settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200"];
    const args = ["-D", data, "-p", String(port), ...settings.flatMap((setting) => ["-c", setting])];
    const child = spawn(join(bin, "postgres"), args, { ...user, cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
    // Nothing is left running, however we end.
    const kill = () => child.kill("SIGQUIT");
    process.once("exit", kill);
    child.once("exit", () => process.off("exit", kill));
    let said = "";
    child.stderr.on("data", (text) => {
      said = (said + text).slice(-2_000);
    });
    for (const late = Date.now() + 180_000; !(await ready(bin, port)); await sleep(50)) {
      if (child.exitCode === null && child.signalCode === null && Date.now() < late) continue;
      child.kill("SIGQUIT");
      throw new Error(`postgres did not start: ${said.trim()}`);
    }
    return child;
  };
  const end = async (signal) => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const exit = once(server, "exit");
    server.kill(signal);
    await exit;
  };

  let server;
  try {
    server = await run();
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    return { skipped: String(error) };
  }
  const signal = (pid, name) => {
    try {
      process.kill(pid, name);
    } catch (error) {
      if (error.code !== "ESRCH") throw error;
    }
  };
  /** Each connection has a process of its own, in a group of its own. Once the server itself has stopped, there are no new ones. */
  const signalAll = (name) => {
    signal(server.pid, name);
    for (const pid of childrenOf(server.pid)) signal(pid, name);
  };
  return {
    url: `postgres://headgate@127.0.0.1:${port}/postgres`,
    /** Ends the server without any farewell, and starts it again with the same files: it recovers, as after a crash. */
    async restart() {
      await end("SIGQUIT");
      server = await run();
    },
    /** Ends the server without any farewell, and does not start it again. */
    kill: () => end("SIGQUIT"),
    pause: () => signalAll("SIGSTOP"),
    resume: () => signalAll("SIGCONT"),
    async stop() {
      signalAll("SIGCONT");
      await end("SIGQUIT");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function folderOfPrograms() {
  const said = spawnSync("pg_config", ["--bindir"], { encoding: "utf8" });
  const versions = "/usr/lib/postgresql";
  const installed = existsSync(versions) ? readdirSync(versions).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [...installed.map((version) => join(versions, version, "bin")), said.stdout?.trim()];
  return folders.find((bin) => bin && existsSync(join(bin, "initdb")) && existsSync(join(bin, "postgres")));
}

/** The user to run it as: nothing special if we are not root; undefined if there is none. */
function unprivileged() {
  if (process.getuid?.() !== 0) return {};
  const id = (flag) => Number.parseInt(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout, 10);
  const [uid, gid] = [id("-u"), id("-g")];
  return Number.isNaN(uid) || Number.isNaN(gid) ? undefined : { uid, gid };
}

function childrenOf(pid) {
  const { stdout } = spawnSync("pgrep", ["-P", String(pid)], { encoding: "utf8" });
  return stdout.split("\n").filter(Boolean).map(Number);
}

/** Whether it takes connections, and not only answers that it is starting. */
async function ready(bin, port) {
  const child = spawn(join(bin, "pg_isready"), ["-q", "-h", "127.0.0.1", "-p", String(port)], { stdio: "ignore" });
  const [code] = await Promise.race([once(child, "exit"), once(child, "error").then(() => [1])]);
  return code === 0;
}
