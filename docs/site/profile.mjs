/**
 * Opens a trace in a profiler, as docs/testing.md says that one can: `node docs/site/profile.mjs`, after a build.
 *
 * The profiler is speedscope, whose page is in its package, in headless Chromium. It shows a profile for each task, under its name. A picture is
 * put into .build/site-shots. Without a browser this is skipped, and says so.
 */
import { strict as assert } from "node:assert";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { browserOrReason } from "./browser.mjs";
import { root } from "./pages.mjs";

const { Chan, go, time } = await import("../../dist/index.js");
const { record } = await import("../../dist/testing/index.js");

/** The example of docs/testing.md. */
const { trace } = await record(async (t) => {
  const jobs = t.name(new Chan(), "jobs");
  go(async function produce() {
    await time.sleep(10);
    await jobs.send("dig");
  });
  await jobs.recv();
});

const { browser, reason } = await browserOrReason();
if (browser === undefined) console.log(`SKIPPED a trace in a profiler: ${reason}`);
else {
  try {
    await inSpeedscope(browser, trace);
  } finally {
    await browser.close();
  }
}

async function inSpeedscope(browser, trace) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 600 } });
  page.setDefaultTimeout(120_000);
  const faults = [];
  page.on("pageerror", ({ message }) => faults.push(message));
  page.on("dialog", (dialog) => {
    faults.push(dialog.message());
    return dialog.dismiss();
  });
  const folder = dirname(createRequire(import.meta.url).resolve("speedscope/package.json"));
  await page.goto(pathToFileURL(join(folder, "dist/release/index.html")).href);
  const buffer = Buffer.from(JSON.stringify(trace.toChromeTrace()));
  await page.setInputFiles("input[type=file]", { name: "trace.json", mimeType: "application/json", buffer });

  // Its title counts the profiles: "headgate (pid 1), main (tid 1) (1/4)".
  const title = () => page.evaluate(() => /headgate \(pid 1\).*\(\d+\/\d+\)/.exec(document.body.innerText)?.[0]);
  await page.waitForFunction(() => /\(1\/\d+\)/.test(document.body.innerText));
  mkdirSync(join(root, ".build/site-shots"), { recursive: true });
  await page.screenshot({ path: join(root, ".build/site-shots/trace-in-speedscope.png") });
  const shown = [];
  for (let i = 1, count = 1; i <= count; i++) {
    await page.waitForFunction((i) => document.body.innerText.includes(`(${i}/`), i);
    const [, name, of] = /, (.*) \(tid \d+\) \(\d+\/(\d+)\)$/.exec(await title());
    shown.push(name);
    count = Number(of);
    await page.keyboard.press("n");
  }
  assert.deepEqual(faults, []);
  assert.deepEqual(new Set(shown), new Set(trace.rows.map(({ task }) => task)));
  console.log(`speedscope shows the tasks of a trace: ${shown.join(", ")}`);
}
