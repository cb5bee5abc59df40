/**
 * Runs `scenario.mjs`, and the first program of the README, in every runtime that is there:
 * `node test/runtimes/run.mjs [NAME…]`.
 *
 * All must give the same answers; what differs is shown, and then the exit code is 1. What is not there is skipped, and
 * said to be. The runtimes are installed by `npm ci --prefix test/runtimes`, but for the browser: that is the system's
 * chromium, or what the environment variable CHROMIUM names. headgate itself must have been built.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, join, normalize } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
/** How long a program may take, in ms. */
const PATIENCE = 180_000;

// -------------------------------------------------------------------------------------------------------- the runtimes
// Each is { skip }, with the reason, or { version, run, close }; `run` takes the path of a module, and returns the lines
// that it prints.

const installed = (path) => join(here, "node_modules", path);
const NOT_INSTALLED = "not installed; npm ci --prefix test/runtimes does so, if it can reach the registry";
const isProvidedFor = process.platform === "linux" && ["x64", "arm64"].includes(process.arch);

/** A runtime that is a program: `flags` come before the path of the module. */
function program(binary, ...flags) {
  if (!existsSync(binary)) {
    if (!isProvidedFor) return { skip: `nothing is provided for ${process.platform} on ${process.arch}` };
    return { skip: NOT_INSTALLED };
  }
  const asked = spawnSync(binary, ["--version"], { encoding: "utf8" });
  if (asked.status !== 0) {
    return { skip: `does not start here: ${asked.error?.message ?? (asked.stderr.trim() || asked.signal)}` };
  }
  const version = /\d+\.\d+\.\d+/.exec(asked.stdout)[0];
  const run = (path) =>
    new Promise((resolve, reject) => {
      const child = spawn(binary, [...flags, path], { cwd: root, timeout: PATIENCE, killSignal: "SIGKILL" });
      const [out, err] = [[], []];
      child.stdout.on("data", (data) => out.push(data));
      child.stderr.on("data", (data) => err.push(data));
      child.on("error", reject);
      child.on("close", (code, signal) => {
        if (code === 0) resolve(Buffer.concat(out).toString().trimEnd().split("\n"));
        else reject(new Error(`ended with ${signal ?? `exit code ${code}`}\n${Buffer.concat([...err, ...out])}`));
      });
    });
  return { version, run, close: () => {} };
}

/** A page in Chromium: nothing is bundled, and there is no `process`, no setImmediate and no AsyncLocalStorage. */
async function chromium() {
  const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const executablePath = [process.env.CHROMIUM, ...places].find((path) => path !== undefined && existsSync(path));
  if (executablePath === undefined) return { skip: "there is no chromium: apt-get install chromium" };
  if (!existsSync(installed("playwright-core"))) {
    return { skip: `playwright-core is ${NOT_INSTALLED}` };
  }
  const { chromium } = await import("playwright-core");
  let browser;
  try {
    // Not everybody may make the namespaces of a sandbox, and what runs is our own.
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  } catch (error) {
    return { skip: `${executablePath} does not start here: ${error.message.split("\n")[0]}` };
  }
  const server = createServer(serve).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  const run = async (path) => {
    const page = await browser.newPage();
    const lines = [];
    page.on("console", (message) => lines.push(message.text()));
    await page.goto(origin);
    const url = path.slice(root.length);
    const timeout = new Promise((_, reject) =>
      setTimeout(() => reject(new Error(`was not done after ${PATIENCE} ms`)), PATIENCE).unref(),
    );
    await Promise.race([page.evaluate((url) => import(url), url), timeout]);
    await page.close();
    return lines;
  };
  const close = async () => {
    await browser.close();
    server.close();
  };
  return { version: browser.version(), run, close };
}

/** Serves the modules of this folder, and an empty page. */
function serve(request, response) {
  const path = normalize(new URL(request.url, "http://localhost").pathname);
  const file = join(root, path);
  if (path === "/")
    response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>headgate</title>");
  else if (!/\.m?js$/.test(path) || !existsSync(file)) response.writeHead(404).end();
  else response.writeHead(200, { "content-type": "text/javascript" }).end(readFileSync(file));
}

const nodes = [22, 24, 26].map((major) => [
  `Node ${major}`,
  () => program(installed(`node-${major}-${process.arch}/bin/node`)),
]);
const bun = `@oven/bun-linux-${process.arch === "arm64" ? "aarch64" : "x64"}/bin/bun`;
const runtimes = [
  ["Node, this one", () => program(process.execPath)],
  ...nodes,
  ["Bun", () => program(installed(bun))],
  // No permission is needed.
  [
    "Deno",
    () => program(installed(`@deno/linux-${process.arch}-glibc/deno`), "run", "--no-prompt", "--allow-sys=inspector"),
  ],
  ["Chromium", chromium],
];

// -------------------------------------------------------------------------------------------------------- the programs

/** The first program of the README, as JavaScript beside the build; and what it says it prints. */
async function firstProgram() {
  const [, source] = /^```ts\n([^]*?)^```$/m.exec(readFileSync(join(root, "README.md"), "utf8"));
  const { code } = await transform(source.replace('from "headgate"', 'from "../../dist/index.js"'), { loader: "ts" });
  const path = join(root, ".build", "runtimes", "first.mjs");
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, code);
  return { path, expected: [...source.matchAll(/\/\/ => (.*)$/gm)].map(([, line]) => line) };
}

/** The answers as a flat list: what was asked, and what was said. */
function flat(answers, path = []) {
  if (typeof answers !== "object" || answers === null) return [[path.join(" / "), String(answers)]];
  return Object.entries(answers).flatMap(([key, value]) => flat(value, [...path, key]));
}

/** What is wrong with the answers: what has failed, and what differs from those of the first. */
function faultsOf(answers, first) {
  const faults = [];
  const expected = new Map(flat(first.answers));
  const got = new Map(flat(answers));
  for (const [question, answer] of got) if (question.endsWith(" / failed")) faults.push(`${question}: ${answer}`);
  for (const question of new Set([...expected.keys(), ...got.keys()])) {
    const [a, b] = [expected.get(question), got.get(question)];
    const failed = `${question.split(" / ")[0]} / failed`;
    if (a === b || got.has(failed) || expected.has(failed)) continue;
    faults.push(`${question}\n  here: ${b ?? "no answer"}\n  ${first.name}: ${a ?? "no answer"}`);
  }
  return faults;
}

// ----------------------------------------------------------------------------------------------------------- all of it

const wanted = process.argv.slice(2).map((name) => name.toLowerCase());
const first = await firstProgram();
const rows = [];
const skipped = [];
let reference;
let isWrong = false;

for (const [name, start] of runtimes) {
  if (wanted.length > 0 && !wanted.some((part) => name.toLowerCase().includes(part))) continue;
  let version = "";
  const begun = performance.now();
  let faults;
  try {
    const runtime = await start();
    if (runtime.skip !== undefined) {
      skipped.push(`${name}: ${runtime.skip}`);
      continue;
    }
    ({ version } = runtime);
    try {
      const answers = JSON.parse((await runtime.run(join(here, "scenario.mjs"))).at(-1));
      reference ??= { name: `${name} ${version}`, answers };
      faults = faultsOf(answers, reference);
      const said = await runtime.run(first.path);
      if (said.join("\n") !== first.expected.join("\n")) {
        faults.push(`the first program of the README printed\n  ${said.join("\n  ")}`);
      }
    } finally {
      await runtime.close();
    }
  } catch (error) {
    faults = [error.message];
  }
  const ms = Math.round(performance.now() - begun);
  rows.push([name, version, `${ms} ms`, faults.length === 0 ? "ok" : "FAILED"]);
  isWrong ||= faults.length > 0;
  for (const fault of faults) console.log(`${name} ${version}: ${fault}\n`);
}

for (const [name, version, ms, verdict] of rows) {
  console.log(`${name.padEnd(16)} ${version.padEnd(18)} ${ms.padStart(10)}   ${verdict}`);
}
const [major] = process.versions.node.split(".");
if (major !== "20") skipped.push(`Node 20: this is Node ${major}; run this with Node 20, too`);
for (const what of skipped) console.log(`SKIPPED ${what}`);
if (rows.length === 0) console.log("nothing was run");
process.exitCode = isWrong || rows.length === 0 ? 1 : 0;
