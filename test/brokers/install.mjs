/**
 * The clients of the brokers, in the node_modules of this folder: installed once, by whoever needs them first.
 *
 * `npm ci` begins by deleting what is there. So one process is at it at a time, and the others wait.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const build = join(here, "..", "..", ".build");
/** Holds the pid of who is installing. */
const lock = join(build, "brokers.lock");

/** When a file was written; 0 if there is none. */
const written = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

function isInstalled() {
  return written(join(here, "node_modules", ".package-lock.json")) >= written(join(here, "package-lock.json"));
}

/**
 * Installs the clients if they are missing, or not those of the lock file. `tell` is called with a line before anything is done; what
 * npm says goes to stderr. Resolves to whether they are there.
 */
export async function install(tell) {
  if (isInstalled()) return true;
  mkdirSync(build, { recursive: true });
  if (!take()) {
    tell("another process is installing the clients of the brokers: waiting for it");
    while (!take()) await sleep(100);
  }
  try {
    if (isInstalled()) return true;
    tell("installing the clients of the brokers, once: npm ci --prefix test/brokers");
    const args = ["ci", "--prefix", here, "--ignore-scripts", "--no-audit", "--no-fund"];
    const npm = spawn("npm", args, { stdio: ["ignore", 2, 2], shell: process.platform === "win32" });
    const [code] = await Promise.race([once(npm, "exit"), once(npm, "error").then(() => [1])]);
    return code === 0 && isInstalled();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Takes the lock, if nobody has it. That of somebody who is no more is removed, for the next try. */
function take() {
  const own = `${lock}.${process.pid}`;
  writeFileSync(own, String(process.pid));
  try {
    linkSync(own, lock);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    if (!isHeld()) rmSync(lock, { force: true });
    return false;
  } finally {
    rmSync(own);
  }
}

/** Whether the process that has the lock is there; also if it has just let go of it. */
function isHeld() {
  try {
    return process.kill(Number(readFileSync(lock, "utf8")), 0);
  } catch (error) {
    return error.code !== "ESRCH";
  }
}
