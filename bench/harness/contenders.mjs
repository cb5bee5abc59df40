/**
 * The contenders: headgate, its rivals, the same programs in Go, and other builds of headgate or other runtimes.
 *
 * A contender is `{ id, name, kind, notes, has, sample }`: `kind` is "headgate", "build", "rival", "go" or "runtime". `has` tells whether
 * there is a program for a row and a size. `sample` measures it in a process of its own, or rejects with the reason.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = fileURLToPath(new URL("..", import.meta.url));
const folder = join(here, "contenders");
const NODE = [process.execPath, "--expose-gc"];

export const idsOfContenders = () =>
  readdirSync(folder)
    .filter((file) => file.endsWith(".mjs"))
    .map((file) => file.slice(0, -4));

/** What keeps the rivals is installed at need; without them headgate is measured all the same. */
export function install(folder = here) {
  if (existsSync(join(folder, "node_modules"))) return;
  console.error(`npm ci, in ${relative(resolve(here, ".."), folder)}`);
  spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: folder, stdio: ["ignore", 2, 2] });
}

/**
 * headgate, the builds of `also` (by name, and the path of their `dist`), and the other contenders that are wanted. Those that are missing
 * are listed with the reason.
 */
export async function contenders({ wanted, also = [] }) {
  const present = [await written("headgate", { kind: "headgate" })];
  const skipped = [];
  for (const [name, path] of also) {
    const env = { HEADGATE: path };
    present.push({ ...(await written("headgate", { kind: "build", env })), id: name, name });
  }
  for (const id of wanted) {
    if (id === "headgate") continue;
    try {
      present.push(...(id === "go" ? await inGo() : [await written(id, { kind: "rival" })]));
    } catch (error) {
      skipped.push({ id, why: error.message.split("\n")[0] });
    }
  }
  return { present, skipped };
}

/** A contender in JavaScript, of which `command` runs a sample. */
export async function written(id, { kind, env = {}, command = NODE }) {
  const {
    name,
    notes = {},
    programs,
    lateness,
    largest = {},
  } = await import(pathToFileURL(join(folder, `${id}.mjs`)).href);
  return {
    id,
    name,
    kind,
    notes,
    has: (row, size = 0) =>
      (row.kind === "lateness" ? lateness !== undefined : row.id in programs) && !(size > largest[row.id]),
    sample: (row, size, { limit, ...settings }) => {
      const args = [
        ...command.slice(1),
        join(here, "harness/sample.mjs"),
        id,
        row.id,
        ...(size === undefined ? [] : [`${size}`]),
      ];
      return saidBy(command[0], args, { ...process.env, ...env, ...settings }, limit);
    },
  };
}

/** Twice: on one core, as JavaScript is, and on all of them. */
async function inGo() {
  const go = await import(pathToFileURL(join(folder, "go.mjs")).href);
  const { reason, version, rows } = await go.available();
  if (reason !== undefined) throw new Error(reason);
  const ids = new Set(rows);
  const on = (id, name, procs) => ({
    id,
    name,
    version,
    kind: "go",
    notes: go.notes ?? {},
    has: (row) => ids.has(row.id),
    sample: (row, size, { limit, ...settings }) => {
      Object.assign(process.env, settings);
      return within(limit, go.sample(row.id, size, procs));
    },
  });
  return [on("go-1", "Go, 1 core", 1), on("go", "Go", undefined)];
}

/** The build of headgate that is there, or in the `dist` there; undefined if there is none. */
export function distOf(path) {
  return [path, join(path, "dist")].map((path) => resolve(path)).find((path) => existsSync(join(path, "index.js")));
}

/** The last line that a process prints, which is JSON. */
export function saidBy(file, args, env, limit) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env, stdio: ["ignore", "pipe", "pipe"], timeout: limit, killSignal: "SIGKILL" });
    const [out, err] = [[], []];
    child.stdout.on("data", (data) => out.push(data));
    child.stderr.on("data", (data) => err.push(data));
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const said = Buffer.concat(out).toString().trimEnd().split("\n").at(-1);
      if (signal === "SIGKILL") reject(new TookTooLong(limit));
      else if (code !== 0)
        reject(new Error(reasonIn(Buffer.concat(err).toString()) ?? `it ended with ${signal ?? code}`));
      else if (!said.startsWith("{")) reject(new Error("it printed no result"));
      else resolve(JSON.parse(said));
    });
  });
}

/** The line that tells what went wrong, of all that a runtime prints when it dies. */
const reasonIn = (text) => {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.find((line) => /^(\w*Error|error)\b/.test(line)) ?? lines[0];
};

async function within(limit, result) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new TookTooLong(limit)), limit);
  });
  try {
    return await Promise.race([result, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** So it hangs, or is so slow that it is not worth the time. */
export class TookTooLong extends Error {
  constructor(limit) {
    super(`it was not done after ${limit / 1000} s`);
  }
}
