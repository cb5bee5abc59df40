/**
 * Builds headgate and runs one of the programs beside this file: `node docs/run.mjs demo/main.ts [options of the program]`.
 *
 * The programs are TypeScript and import headgate by its name, as yours would. Node 20 runs no TypeScript, so the compiler goes first.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

const docs = dirname(fileURLToPath(import.meta.url));
const root = dirname(docs);
const build = join(root, ".build", "docs");
const [program, ...args] = process.argv.slice(2);
if (program === undefined) {
  process.stderr.write("usage: node docs/run.mjs PROGRAM.ts [options of the program]\n");
  process.exit(2);
}
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");

/** The time of the newest file in a folder; 0 if there is none. */
function newest(folder) {
  if (!existsSync(folder)) return 0;
  const files = readdirSync(folder, { recursive: true }).map((file) => statSync(join(folder, file)));
  return Math.max(0, ...files.filter((file) => file.isFile()).map((file) => file.mtimeMs));
}

const isBuilt = newest(join(root, "dist")) > newest(join(root, "src"));
// Whoever starts the same in another terminal need not wait for it again.
const isCompiled = isBuilt && newest(build) > Math.max(newest(docs), newest(join(root, "dist")));
for (const project of [...(isBuilt ? [] : [root]), ...(isCompiled ? [] : [docs])]) {
  // What the compiler has to say goes to stderr: stdout belongs to the program.
  const { status } = spawnSync(process.execPath, [tsc, "-p", project], { stdio: ["ignore", 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
}
const compiled = join(build, program.replace(/\.ts$/, ".js"));
process.argv = [process.argv[0], compiled, ...args];
await import(pathToFileURL(compiled).href);
