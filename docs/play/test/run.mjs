/**
 * The tests of the page, in headless Chromium: `node docs/play/test/run.mjs [NAME…]`. It builds the page first, and installs nothing.
 *
 * Without the packages of docs/play (`npm ci --prefix docs/play`) or without a Chromium it says so, and skips. The browser is
 * /usr/bin/chromium, or what the environment variable CHROMIUM names. Screenshots are written to .build/play/.
 */
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);

function skip(why) {
  process.stdout.write(`SKIPPED the tests of docs/play: ${why}\n`);
  process.exit();
}

for (const name of ["preact", "esbuild", "playwright-core", "axe-core"]) {
  try {
    require.resolve(name);
  } catch {
    skip(`${name} is not installed: npm ci --prefix docs/play`);
  }
}
const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = [process.env.CHROMIUM, ...places].find((path) => path !== undefined && existsSync(path));
if (executablePath === undefined) skip("there is no chromium: apt-get install chromium");

const { build, imported } = await import("../build.mjs");
const { page: file, html } = await build();
const { chromium } = await import("playwright-core");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

/** What a test gets. */
const t = {
  url: pathToFileURL(file).href,
  file,
  html,
  /** The page's own programs, in this process. */
  programs: await imported("test/programs.ts", { keepNames: true }),
  require,
  /**
   * Opens the page at a hash, with the network off. `errors` has what it has logged as an error and every request it has made.
   */
  async open(hash = "", { viewport = { width: 1280, height: 900 }, ...options } = {}) {
    const context = await browser.newContext({ offline: true, viewport, ...options });
    const page = await context.newPage();
    const errors = [];
    page.on("pageerror", (error) => errors.push(`${error.stack}`));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") errors.push(message.text());
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(pathToFileURL(file).href) && !request.url().startsWith("data:")) {
        errors.push(`request of ${request.url()}`);
      }
    });
    // For tests that press hundreds of times: a wait inside of the page, without a message for each look.
    await page.addInitScript(() => {
      window.until = (holds) =>
        new Promise((resolve, reject) => {
          const begun = Date.now();
          const look = () => {
            if (holds()) resolve();
            else if (Date.now() - begun > 180_000)
              reject(new Error(`never: ${holds}; ${JSON.stringify(document.querySelector("article")?.dataset)}`));
            else setTimeout(look);
          };
          look();
        });
      window.press = (key) =>
        document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    });
    page.setDefaultTimeout(Number(process.env.PATIENCE ?? 180_000));
    await page.goto(`${pathToFileURL(file).href}${hash}`);
    return { page, errors, close: () => context.close() };
  },
};

const asked = process.argv.slice(2);
const names = readdirSync(here)
  .filter((name) => name.endsWith(".test.mjs"))
  .map((name) => name.replace(".test.mjs", ""));
const unknown = asked.find((name) => !names.includes(name));
if (unknown !== undefined) {
  process.stderr.write(`there is no test ${unknown}; there are ${names.join(", ")}\n`);
  process.exit(2);
}
let failed = 0;

async function run(name) {
  const tests = await import(`./${name}.test.mjs`);
  for (const [title, test] of Object.entries(tests.default)) {
    const begun = Date.now();
    try {
      const note = await test(t);
      process.stdout.write(
        `ok   ${name}: ${title}${note === undefined ? "" : ` (${note})`} ${Date.now() - begun} ms\n`,
      );
    } catch (error) {
      failed++;
      process.stdout.write(`FAIL ${name}: ${title}\n${error.stack}\n`);
    }
  }
}

// Each file has pages of its own, so all of them run at once; the processor is shared anyway.
await Promise.all((asked.length > 0 ? asked : names).map(run));
await browser.close();
process.stdout.write(failed === 0 ? "the page holds\n" : `FAILED: ${failed}\n`);
process.exitCode = failed === 0 ? 0 : 1;
