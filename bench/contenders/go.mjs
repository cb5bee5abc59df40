/**
 * Go: the programs in ../go, one process a sample. GO names another `go` than the one on the PATH, by its full path.
 *
 * The binary is built once into ../go/.bin: with modules, and where they cannot be downloaded, in GOPATH mode with the sources that a
 * distribution ships (Debian's golang-golang-x-sync-dev).
 */
import { execFile, spawnSync } from "node:child_process";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const name = "Go";

const dir = fileURLToPath(new URL("../go/", import.meta.url));
const DISTRIBUTED = "/usr/share/gocode";

/** Nothing takes that long, in ms: neither a build nor a sample. */
const LIMIT = 120_000;

const { GO: go = "go" } = process.env;

let binary;

/** What a command prints; throws with what it says instead. */
function output(command, args, env) {
  const options = { cwd: dir, env: { ...process.env, ...env }, encoding: "utf8", timeout: LIMIT };
  const { error, status, stdout, stderr } = spawnSync(command, args, options);
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(stderr.trim());
  return stdout.trim();
}

/** Builds the binary; returns the reason if that is not possible. */
function build() {
  let path;
  try {
    const [version, gopath] = output(go, ["env", "GOVERSION", "GOPATH"]).split("\n");
    path = gopath;
    // Each Go has its own, so that two can be compared.
    const file = `bench-${version.replaceAll(/[^\w.-]/g, "-")}`;
    binary = join(dir, ".bin", process.platform === "win32" ? `${file}.exe` : file);
  } catch (error) {
    const where = process.env.GO === undefined ? "on the PATH" : `at ${go}, which GO names`;
    return error.code === "ENOENT" ? `there is no go ${where}` : `${go} does not run: ${firstLine(error)}`;
  }
  const ways = [{ GO111MODULE: "on" }, { GO111MODULE: "off", GOPATH: [path, DISTRIBUTED].join(delimiter) }];
  let reason = "";
  for (const way of ways) {
    try {
      output(go, ["build", "-buildvcs=false", "-o", binary, "."], way);
      return undefined;
    } catch (error) {
      reason = error.message.includes("golang.org/x/sync")
        ? "golang.org/x/sync can neither be downloaded nor found in the GOPATH"
        : `go build: ${firstLine(error)}`;
    }
  }
  return reason;
}

/** The first line that says what is wrong: one that begins with # names a package. */
const firstLine = (error) => error.message.split("\n").find((line) => !line.startsWith("#"));

let found;

/** Which Go it is and the ids of the rows it has, or the reason why there is none. Builds the binary when it is called first. */
export function available() {
  if (found !== undefined) return found;
  const reason = build();
  found =
    reason === undefined
      ? { version: output(binary, ["--version"]).replace(/^go/, ""), rows: output(binary, ["--list"]).split("\n") }
      : { reason };
  return found;
}

/** One sample of a row, with GOMAXPROCS=procs, or Go's default. Rejects with what the binary says if it cannot measure that. */
export async function sample(id, size, procs) {
  const { reason } = available();
  if (reason !== undefined) throw new Error(`Go: ${reason}`);
  const { GOMAXPROCS: _, ...env } = process.env;
  if (procs !== undefined) env.GOMAXPROCS = String(procs);
  const args = size === undefined ? [id] : [id, String(size)];
  try {
    const { stdout } = await promisify(execFile)(binary, args, { env, timeout: LIMIT, killSignal: "SIGKILL" });
    return JSON.parse(stdout);
  } catch (error) {
    throw new Error(`Go: ${id}: ${error.stderr?.trim().split("\n")[0] || error.message}`, { cause: error });
  }
}
