/**
 * Checks what JSR asks of a package, and publishes it there: `node scripts/jsr.mjs [--publish]`, after `npm ci --prefix test/runtimes`, which
 * brings Deno.
 *
 * The check is `deno doc --lint`, for the docs of all public names, and a dry run of `deno publish`, for their types. What they say is shown.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const deno = join(root, `test/runtimes/node_modules/@deno/linux-${process.arch}-glibc/deno`);

function run(...args) {
  const { status, signal, error } = spawnSync(deno, args, { cwd: root, stdio: "inherit" });
  if (status === 0) return;
  console.error(`jsr: deno ${args[0]} has failed: ${error?.message ?? signal ?? `exit code ${status}`}`);
  process.exit(1);
}

const args = process.argv.slice(2);
if (args.some((arg) => arg !== "--publish")) {
  console.error(`jsr: there is no option ${args.join(" ")}; there is --publish`);
  process.exit(1);
}
if (!existsSync(deno)) {
  if (args.length > 0) {
    console.error("jsr: there is no Deno: npm ci --prefix test/runtimes");
    process.exit(1);
  }
  console.log("SKIPPED the check for JSR: there is no Deno; npm ci --prefix test/runtimes brings it for Linux");
} else {
  const { exports } = JSON.parse(readFileSync(join(root, "jsr.json"), "utf8"));
  // The types that public ones are made of, in files that are no entry points.
  const parts = ["internal/abortsignal", "internal/errors", "internal/inspect", "chan/select", "saga/saga"];
  run("doc", "--lint", ...Object.values(exports), ...parts.map((file) => `./src/${file}.ts`));
  if (args.length > 0) run("publish");
  else run("publish", "--dry-run", "--allow-dirty", "--quiet");
}
