/**
 * Builds headgate and runs one of the programs beside this file: `node docs/run.mjs NAME [options of the program]`.
 *
 * A program is `NAME/main.ts`, `examples/NAME.ts` or `examples/NAME/main.ts`, by that path or by its name alone. What it is for stands in
 * the comment at its top: the first line in the list of programs, all of it at `--help`.
 *
 * The programs are TypeScript and import headgate by its name, as yours would. Node 20 runs no TypeScript, so the compiler goes first.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

const docs = dirname(fileURLToPath(import.meta.url));
const root = dirname(docs);
const build = join(root, ".build", "docs");

// When its output is closed, as in `| head`, a program ends quietly.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error) => {
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });
}

// ------------------------------------------------------------------------------------------------------------- which program

/** The examples, each `{ name, file, about }`. */
function examples() {
  const entries = readdirSync(join(docs, "examples"), { withFileTypes: true });
  return entries
    .map((entry) => ({
      name: entry.name.replace(/\.ts$/, ""),
      file: entry.isDirectory() ? `examples/${entry.name}/main.ts` : `examples/${entry.name}`,
    }))
    .filter(({ file }) => file.endsWith(".ts") && existsSync(join(docs, file)))
    .map((program) => ({ ...program, about: commentOf(program.file) }));
}

/** The lines of the comment at the top of a file. */
function commentOf(file) {
  const [, text = `${file}, which says nothing of itself.`] =
    /^\/\*\*\n([^]*?)\n \*\//.exec(readFileSync(join(docs, file), "utf8")) ?? [];
  return text.split("\n").map((line) => line.replace(/^ \* ?/, ""));
}

function listOf(all) {
  const width = Math.max(...all.map(({ name }) => name.length));
  return [
    "usage: npm run example -- NAME [options of the program]",
    "",
    ...all.map(({ name, about }) => `  ${name.padEnd(width)}  ${about[0]}`),
    "",
    "npm run example -- NAME --help tells more. The largest of all is npm run demo.",
  ].join("\n");
}

/** What the command line asks for. Ends the process if that is no program. */
function asked([name, ...args]) {
  const all = examples();
  if (name === undefined || name === "--help" || name === "-h") {
    process.stdout.write(`${listOf(all)}\n`);
    process.exit();
  }
  const file = name.replace(/^(\.\/)?docs\//, "");
  // It has a help of its own.
  if (file === "demo/main.ts" || file === "demo") return { file: "demo/main.ts", args };
  const program = all.find((one) => one.name === file || one.file === file || one.file === `examples/${file}`);
  if (program === undefined) {
    process.stderr.write(`there is no example called "${name}"\n\n${listOf(all)}\n`);
    process.exit(1);
  }
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(`${program.about.join("\n")}\n`);
    process.exit();
  }
  const takesNone = program.about.some((line) => line.trim() === `npm run example -- ${program.name}`);
  if (takesNone && args.length > 0) {
    process.stderr.write(`the example ${program.name} takes no options, and not "${args.join(" ")}"\n`);
    process.exit(2);
  }
  return { file: program.file, args };
}

// ------------------------------------------------------------------------------------------------------------- built and run

/** The time of the newest file in a folder; 0 if there is none. */
function newest(folder) {
  if (!existsSync(folder)) return 0;
  const files = readdirSync(folder, { recursive: true }).map((file) => statSync(join(folder, file)));
  return Math.max(0, ...files.filter((file) => file.isFile()).map((file) => file.mtimeMs));
}

const { file, args } = asked(process.argv.slice(2));
let tsc;
try {
  tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
} catch {
  process.stderr.write("the compiler is not installed: npm ci\n");
  process.exit(1);
}
const { isTTY } = process.stderr;
const isBuilt = newest(join(root, "dist")) > newest(join(root, "src"));
// Another terminal that starts the same need not wait for it again.
const isCompiled = isBuilt && newest(build) > Math.max(newest(docs), newest(join(root, "dist")));
for (const project of [...(isBuilt ? [] : [root]), ...(isCompiled ? [] : [docs])]) {
  if (isTTY) process.stderr.write(`building ${project === root ? "headgate" : "the programs"} …\r`);
  // What the compiler has to say goes to stderr: stdout belongs to the program.
  const { status } = spawnSync(process.execPath, [tsc, "-p", project], { stdio: ["ignore", 2, 2] });
  if (isTTY) process.stderr.write("\x1b[K");
  if (status !== 0) process.exit(status ?? 1);
}
const compiled = join(build, file.replace(/\.ts$/, ".js"));
process.argv = [process.argv[0], compiled, ...args];
await import(pathToFileURL(compiled).href);
