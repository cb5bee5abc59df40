/**
 * Runs three programs in every runtime that is there: `everything.mjs`, with every public name in real time; `scenario.mjs`, with what the
 * test kit promises; and the first programs of README.md and docs/start.md. `node test/runtimes/run.mjs [NAME…]`.
 *
 * All must give the same answers; what differs is shown, and then the exit code is 1. What is not there is skipped, and
 * said to be. The runtimes are installed by `npm ci --prefix test/runtimes`, but for the browser: that is the system's
 * chromium, or what the environment variable CHROMIUM names. headgate itself must have been built.
 *
 * The last lines are the rows of a table, and `.build/matrix/runtimes.json` has them for that of docs/runtimes.md (`test/matrix.mjs`).
 */
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { basename, dirname, join, normalize } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { installed as installedPackage, resolvedIn } from "../support/packed.mjs";

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
  const run = (path, ...args) =>
    new Promise((resolve, reject) => {
      const child = spawn(binary, [...flags, path, ...args], { cwd: root, timeout: PATIENCE, killSignal: "SIGKILL" });
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

let browser;

/** Starts Chromium once. Returns `{ skip }` if that cannot be done. */
async function launched() {
  if (browser !== undefined) return browser;
  const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const executablePath = [process.env.CHROMIUM, ...places].find((path) => path !== undefined && existsSync(path));
  if (executablePath === undefined) return { skip: "there is no chromium: apt-get install chromium" };
  if (!existsSync(installed("playwright-core"))) return { skip: `playwright-core is ${NOT_INSTALLED}` };
  const { chromium } = await import("playwright-core");
  try {
    // Not everybody may make the namespaces of a sandbox, and what runs is our own.
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    return browser;
  } catch (error) {
    return { skip: `${executablePath} does not start here: ${error.message.split("\n")[0]}` };
  }
}

/** Imports a module in a page. */
const inPage = (page, url) => page.evaluate((url) => import(url), url);

/** Imports a module in a Web Worker of a page, which hears of what is printed there. */
const inWorker = (page, url) =>
  page.evaluate(async (url) => {
    const program = `
      console.log = (...texts) => postMessage(["log", texts.join(" ")]);
      import("${new URL(url, location.href)}").then(() => postMessage(["end"]), (error) => postMessage(["error", String(error)]));`;
    const worker = new Worker(URL.createObjectURL(new Blob([program], { type: "text/javascript" })), {
      type: "module",
    });
    await new Promise((resolve, reject) => {
      worker.addEventListener("message", ({ data: [what, text] }) => {
        if (what === "log") console.log(text);
        else if (what === "end") resolve();
        else reject(new Error(text));
      });
      worker.addEventListener("error", ({ message }) => reject(new Error(message)));
    });
    worker.terminate();
  }, url);

/** Chromium: nothing is bundled, and there is no `process`, no setImmediate and no AsyncLocalStorage. */
async function chromium(start) {
  const browser = await launched();
  if (browser.skip !== undefined) return browser;
  const server = createServer(serve).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  const run = async (path) => {
    const page = await browser.newPage();
    const lines = [];
    page.on("console", (message) => lines.push(message.text()));
    await page.goto(origin);
    const timeout = new Promise((_, reject) =>
      setTimeout(() => reject(new Error(`was not done after ${PATIENCE} ms`)), PATIENCE).unref(),
    );
    await Promise.race([start(page, urlOf(path)), timeout]);
    await page.close();
    return lines;
  };
  return { version: browser.version(), run, close: () => server.close() };
}

/** Where a file is served: what is in this folder, and what is in that of the installed package. */
const urlOf = (path) => (path.startsWith(user) ? `/user${path.slice(user.length)}` : path.slice(root.length));

/** Serves the modules, and an empty page. */
function serve(request, response) {
  const path = normalize(new URL(request.url, "http://localhost").pathname);
  const isUsers = path.startsWith("/user/");
  const file = isUsers ? join(user, path.slice("/user/".length)) : join(root, path);
  if (path === "/")
    response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>headgate</title>");
  else if (!/\.m?js$/.test(path) || !existsSync(file)) response.writeHead(404).end();
  else {
    const text = readFileSync(file, "utf8");
    response
      .writeHead(200, { "content-type": "text/javascript" })
      .end(isUsers ? resolvedIn(user, text, "/user/node_modules") : text);
  }
}

/** workerd, by miniflare, which wants a newer Node than we do. */
function workerd() {
  const node = program(installed(`node-24-${process.arch}/bin/node`));
  if (node.skip !== undefined) return node;
  const manifest = installed("workerd/package.json");
  if (!existsSync(manifest)) return { skip: NOT_INSTALLED };
  const { version } = JSON.parse(readFileSync(manifest, "utf8"));
  return { version, everything: () => node.run(join(here, "workerd.mjs"), user), close: () => {} };
}

const nodes = [20, 22, 24, 26].map((major) => [
  `Node ${major}`,
  () => program(installed(`node-${major}-${process.arch}/bin/node`)),
]);
const bun = `@oven/bun-linux-${process.arch === "arm64" ? "aarch64" : "x64"}/bin/bun`;
const runtimes = [
  ["Node, this one", () => program(process.execPath)],
  ...nodes,
  ["Bun", () => program(installed(bun))],
  // No permission is needed but for signals, which the process sends to itself, and to stop a loop of bare awaits in a bubble.
  [
    "Deno",
    () => {
      const flags = ["run", "--no-prompt", "--allow-run", "--allow-sys=inspector"];
      return program(installed(`@deno/linux-${process.arch}-glibc/deno`), ...flags);
    },
  ],
  ["Chromium page", () => chromium(inPage)],
  ["Chromium worker", () => chromium(inWorker)],
  ["workerd", workerd],
];

// -------------------------------------------------------------------------------------------------------- the programs

/** The first program of a page, beside the build; and what it says it prints. */
function firstProgram(page) {
  const [, source] = /^```js\n([^]*?)^```$/m.exec(readFileSync(join(root, page), "utf8"));
  const path = join(root, ".build", "runtimes", `${basename(page, ".md")}.mjs`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, source.replace('from "headgate"', 'from "../../dist/index.js"'));
  return { page, path, expected: [...source.matchAll(/\/\/ => (.*)$/gm)].map(([, line]) => line) };
}

/** Every public name, used by somebody who has installed the package. Returns the module to run. */
function everything() {
  copyFileSync(join(here, "everything.mjs"), join(user, "everything.mjs"));
  const main = join(user, "main.mjs");
  writeFileSync(
    main,
    'import { everything } from "./everything.mjs";\nconsole.log(JSON.stringify(await everything()));\n',
  );
  return main;
}

/** What a use may answer where the runtime has not got what it takes. It is no fault, and is said in the table. */
const LACKS = {
  "refuses: there are no signals here": "signals",
  "refuses: a timer belongs to a request here": "debug.watch",
  "refuses: the garbage collector is out of reach here": "debug.leaks",
  "a loop that is always ready keeps timers waiting: this clock stands still while code runs": "timers in a busy loop",
};

/** What has failed, and what is lacking, of the answers of `everything.mjs`. */
function judged(answers) {
  const entries = Object.entries(answers).filter(([, answer]) => answer !== "ok");
  return {
    names: Object.keys(answers).length,
    faults: entries.filter(([, answer]) => LACKS[answer] === undefined).map(([name, answer]) => `${name} ${answer}`),
    lacks: [...new Set(entries.map(([, answer]) => LACKS[answer]).filter((what) => what !== undefined))],
  };
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
const user = installedPackage();
const main = everything();
const firstPrograms = ["README.md", "docs/start.md"].map(firstProgram);
const rows = [];
const skipped = [];
let reference;

/** Runs all programs in a runtime. Returns its row. */
async function rowOf(name, runtime) {
  const faults = [];
  const { version } = runtime;
  const begun = performance.now();
  const answer = JSON.parse((await (runtime.everything ?? (() => runtime.run(main)))()).at(-1));
  const { faults: failed, lacks, names } = judged(answer);
  faults.push(...failed);
  if (runtime.run !== undefined) {
    const answers = JSON.parse((await runtime.run(join(here, "scenario.mjs"))).at(-1));
    reference ??= { name: `${name} ${version}`, answers };
    faults.push(...faultsOf(answers, reference));
    for (const { page, path, expected } of firstPrograms) {
      const said = await runtime.run(path);
      if (said.join("\n") !== expected.join("\n"))
        faults.push(`the first program of ${page} printed\n  ${said.join("\n  ")}`);
    }
  }
  return { name, version, names, lacks, faults, ms: Math.round(performance.now() - begun) };
}

for (const [name, start] of runtimes) {
  if (wanted.length > 0 && !wanted.some((part) => name.toLowerCase().includes(part))) continue;
  let runtime;
  try {
    runtime = await start();
    if (runtime.skip !== undefined) skipped.push(`${name}: ${runtime.skip}`);
    else rows.push(await rowOf(name, runtime));
  } catch (error) {
    rows.push({ name, version: runtime?.version ?? "", names: 0, lacks: [], faults: [error.message], ms: 0 });
  } finally {
    runtime?.close?.();
  }
}
await browser?.close();

for (const { name, version, faults } of rows) for (const fault of faults) console.log(`${name} ${version}: ${fault}\n`);
for (const { name, version, names, lacks, faults, ms } of rows) {
  const verdict = faults.length > 0 ? "FAILED" : lacks.length > 0 ? `ok, without ${lacks.join(", ")}` : "ok";
  console.log(`${name.padEnd(16)} ${version.padEnd(18)} ${`${names} uses`} ${`${ms} ms`.padStart(10)}   ${verdict}`);
}
for (const what of skipped) console.log(`SKIPPED ${what}`);
if (rows.length === 0) console.log("nothing was run");
const results = join(root, ".build", "matrix");
mkdirSync(results, { recursive: true });
writeFileSync(join(results, "runtimes.json"), JSON.stringify({ rows, skipped }, null, 2));
process.exitCode = rows.some(({ faults }) => faults.length > 0) || rows.length === 0 ? 1 : 0;
