/** What the servers here have in common: to find, install, start and end a program. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

export function found(program) {
  return spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
}

/** Installs a Debian package if HEADGATE_INSTALL=1. Returns why it is not there, or undefined if it is. */
export function install(name) {
  if (process.env.HEADGATE_INSTALL !== "1") return `${name} is not installed (HEADGATE_INSTALL=1 installs it)`;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  // One at a time: apt-get refuses to run beside another.
  const turn = [join(tmpdir(), "headgate-apt.lock"), "apt-get"];
  const apt = (...args) => spawnSync("flock", [...turn, ...args], { env, encoding: "utf8" });
  const args = ["install", "-y", "--no-install-recommends", name];
  let done = apt(...args);
  if (done.status !== 0) {
    apt("update");
    done = apt(...args);
  }
  if (done.status === 0) return undefined;
  return `${name} could not be installed: ${done.error?.message ?? done.stderr.trim().split("\n").at(-1)}`;
}

/**
 * A port of the loopback that nobody has, from `first` on; with HEADGATE_PORTS=<n> from `first + n` on, for those who run several of
 * these at once. None that the kernel would give to an outgoing connection: a server that is restarted must get its own again.
 */
export async function freePort(first) {
  let port = first + Number(process.env.HEADGATE_PORTS ?? 0);
  while (await listening(port)) port++;
  return port;
}

/** Whether anybody answers on this port of the loopback. */
export function listening(port) {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const answer = (yes) => {
      socket.destroy();
      resolve(yes);
    };
    socket.once("connect", () => answer(true));
    socket.once("error", () => answer(false));
  });
}

/** Starts a program in a process group of its own. */
export function launch(program, args, env = {}) {
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text) => {
      said = (said + text).slice(-2_000);
    });
  }
  let failed;
  child.once("error", (error) => {
    failed = error;
  });
  const exited = () => failed !== undefined || child.exitCode !== null || child.signalCode !== null;
  // Nothing is left running, however we end.
  const kill = () => server.signal("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  const server = {
    exited,
    child,
    /** Signals the program and what it has started. */
    signal(name) {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, name);
      } catch (error) {
        if (error.code !== "ESRCH") throw error;
      }
    },
    /** Waits until it is ready; rejects, with what it said, if it ends before that or takes longer than `ms`. */
    async until(ready, ms) {
      const late = Date.now() + ms;
      while (!(await ready())) {
        if (!exited() && Date.now() < late) {
          await sleep(50);
          continue;
        }
        this.signal("SIGKILL");
        throw new Error(`${program} did not start: ${failed?.message ?? said.trim()}`);
      }
    },
  };
  return server;
}

/** Ends a program, and waits for it; by force after 10 s. */
export async function end(server, name) {
  if (server.exited()) return;
  const exit = once(server.child, "exit");
  server.signal(name);
  const force = setTimeout(() => server.signal("SIGKILL"), 10_000);
  await exit;
  clearTimeout(force);
}
