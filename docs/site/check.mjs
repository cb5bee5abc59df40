/**
 * Looks at the site in headless Chromium: `node docs/site/check.mjs`, after `npm run docs`. It is served under a folder of its own.
 *
 *     --only TEXT     the pages whose path has this text
 *     --shots         makes the screenshots alone
 *
 * Every page loads without an error on the console and without network beyond the server here. Its links lead to pages and headings that
 * are there. It is no wider than a screen of 360 px. axe finds nothing serious in it, in either theme. The search finds `withoutCancel`. From a
 * page in a folder one gets to others, with and without a reload. Screenshots of some pages are put into .build/site-shots.
 *
 * The browser is CHROMIUM, or what is installed. Without one the check is skipped, and says so.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { output, PLAY, root } from "./pages.mjs";
import { serve } from "./server.mjs";

const { only = "", shots: onlyShots = false } = parseArgs({
  options: { only: { type: "string" }, shots: { type: "boolean" } },
}).values;

const SHOTS = join(root, ".build", "site-shots");
/** The pages of which there are pictures, by the beginnings of their paths. */
const SHOWN = [
  "index",
  "start",
  "learn/index",
  "learn/05",
  "api",
  "rosetta",
  "testing",
  "worker",
  "saga",
  "reference/headgate/worker.html",
];
/** In ms, for a machine that is ten times slower. */
const PATIENCE = 120_000;

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

async function browserOrReason() {
  const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const executablePath = [process.env.CHROMIUM, ...places].find((path) => path !== undefined && existsSync(path));
  if (executablePath === undefined) return { reason: "there is no chromium: apt-get install chromium" };
  const { chromium } = await import("playwright-core");
  try {
    return { browser: await chromium.launch({ executablePath, args: ["--no-sandbox"] }) };
  } catch (error) {
    return { reason: `${executablePath} does not start here: ${error.message.split("\n")[0]}` };
  }
}

const places = readdirSync(output, { recursive: true })
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => file.endsWith(".html") && file !== "404.html" && file !== PLAY)
  .sort((a, b) => (a < b ? -1 : 1));

const faults = [];
/** The headings of each page, and the links to other pages. */
const anchors = new Map();
const links = [];

/** A page that writes down what goes wrong in it. */
async function opened(browser, address, place, width, theme) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: theme });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`${place}: the console says: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`${place}: ${error.message}`));
  page.on("response", (response) => {
    if (response.status() >= 400) faults.push(`${place}: ${response.status()} for ${response.url()}`);
  });
  await context.route("**/*", (route) => {
    const url = route.request().url();
    if (url.startsWith(address) || url.startsWith("data:") || url.startsWith("blob:")) return route.continue();
    faults.push(`${place}: asks for ${url}`);
    return route.abort();
  });
  await page.goto(address + place, { waitUntil: "load" });
  // Colours that change slowly are of no theme in between.
  await page.addStyleTag({
    content: "*, ::before, ::after { transition: none !important; animation: none !important }",
  });
  return { page, context };
}

/** Waits until the scripts have taken over, and the pictures are drawn. */
const settled = (page) =>
  page.waitForFunction(
    () => document.querySelector("#app")?.__vue_app__ !== undefined && document.querySelector(".mermaid-text") === null,
  );

/** Changes the theme, as the system's settings would. */
async function inTheme(page, theme) {
  await page.emulateMedia({ colorScheme: theme });
  await page.waitForFunction(
    (isDark) => document.documentElement.classList.contains("dark") === isDark,
    theme === "dark",
  );
  await settled(page);
}

/** What axe calls serious or worse. */
async function inspect(page, place, theme, options) {
  await inTheme(page, theme);
  // What is around every page is looked at around one.
  const frame = place === "index.html" ? [] : [".VPSidebar", ".VPNav", ".VPLocalNav"];
  const { violations } = await page.evaluate(
    ({ frame, options }) => window.axe.run(frame.length === 0 ? document : { exclude: frame }, options),
    { frame, options },
  );
  for (const { id, impact, nodes } of violations) {
    if (!["serious", "critical"].includes(impact)) continue;
    const targets = nodes.slice(0, 3).map(({ target, any }) => `${target.join(" ")} ${any[0]?.message ?? ""}`);
    faults.push(`${place}, ${theme}: axe: ${id} (${nodes.length}×): ${targets.join("; ")}`);
  }
}

async function look(browser, address, place) {
  const { page, context } = await opened(browser, address, place, 1280, "light");
  try {
    await settled(page);
    const found = await page.evaluate(() => ({
      ids: [...document.querySelectorAll("[id]")].map(({ id }) => id),
      links: [...document.querySelectorAll(".VPContent a[href], .VPSidebar a[href]")].map((a) => a.href),
      title: document.querySelector("h1")?.textContent ?? "",
      // Fonts differ a little between machines.
      cut: [...document.querySelectorAll(".mermaid")].filter(
        (picture) => picture.scrollWidth > 1.1 * picture.clientWidth,
      ).length,
    }));
    anchors.set(place, new Set(found.ids));
    for (const link of found.links) links.push([place, link]);
    if (found.title === "") faults.push(`${place}: it has no title`);
    if (found.cut > 0) faults.push(`${place}: ${found.cut} of its pictures are wider than the page at 1280 px`);
    await page.addScriptTag({ content: axe });
    await inspect(page, place, "light", { resultTypes: ["violations"] });
    // The other rules do not depend on the theme.
    await inspect(page, place, "dark", { resultTypes: ["violations"], runOnly: ["color-contrast"] });
    await page.setViewportSize({ width: 360, height: 800 });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    if (width > 360) {
      const wide = await page.evaluate(() =>
        [...document.querySelectorAll("main *")]
          .filter((element) => element.getBoundingClientRect().right > 361)
          .slice(0, 3)
          .map(({ tagName, className, textContent }) => `${tagName}.${className} ${textContent.slice(0, 40)}`),
      );
      faults.push(`${place}: is ${width} px wide on a screen of 360: ${wide.join("; ")}`);
    }
  } finally {
    await context.close();
  }
}

/** Links to pages and headings that are not there. */
function lostLinks(address) {
  for (const [place, link] of links) {
    const { origin, pathname, hash } = new URL(link);
    if (!link.startsWith(address)) {
      if (origin === new URL(address).origin) faults.push(`${place}: ${pathname} is outside of the site`);
      continue;
    }
    const path = decodeURIComponent(pathname.slice(new URL(address).pathname.length));
    const target = path === "" || path.endsWith("/") ? `${path}index.html` : path;
    if (!existsSync(join(output, target))) faults.push(`${place}: there is no ${target}`);
    else if (hash !== "" && anchors.has(target) && !anchors.get(target).has(decodeURIComponent(hash.slice(1))))
      faults.push(`${place}: ${target} has no ${hash}`);
  }
}

/** The search finds a name, and its page opens; from there a link of the list beside it leads on; and so does a reload. */
async function search(browser, address) {
  const { page, context } = await opened(browser, address, "testing.html", 1280, "light");
  try {
    await settled(page);
    await page.click(".DocSearch-Button, #local-search button");
    await page.fill("#localsearch-input", "withoutCancel");
    const result = page.locator(".VPLocalSearchBox .result", { hasText: /withoutCancel/i }).first();
    await result.waitFor();
    await result.click();
    await page.waitForFunction(() => /withoutCancel/i.test(document.querySelector("main")?.textContent ?? ""));
    await page.goto(`${address}reference/headgate/worker/redis.html`);
    await settled(page);
    await page.locator(".VPNavBar a.title").click();
    await page.waitForFunction((home) => location.href === home, address);
    await page.reload();
    await settled(page);
  } catch (error) {
    faults.push(`the search: ${error.message.split("\n")[0]}`);
  } finally {
    await context.close();
  }
}

/** The page that is one by itself: it has its own tests. */
async function play(browser, address) {
  if (!existsSync(join(output, PLAY))) {
    console.log('SKIPPED the page "Stop it anywhere", which the site was made without');
    return;
  }
  const { context } = await opened(browser, address, PLAY, 1280, "light");
  await context.close();
}

async function shoot(browser, address) {
  rmSync(SHOTS, { recursive: true, force: true });
  mkdirSync(SHOTS, { recursive: true });
  const shown = places.filter((place) => SHOWN.some((begin) => place.startsWith(begin)));
  for (const place of shown) {
    const { page, context } = await opened(browser, address, place, 1280, "light");
    await settled(page);
    for (const width of [1280, 360])
      for (const theme of ["light", "dark"]) {
        await page.setViewportSize({ width, height: 900 });
        await inTheme(page, theme);
        const name = place.replace(/\.html$/, "").replaceAll("/", "-");
        await page.screenshot({ path: join(SHOTS, `${name}-${width}-${theme}.png`) });
      }
    await context.close();
  }
  console.log(`screenshots of ${shown.length} pages are in .build/site-shots`);
}

/** Does it for all, two at a time. */
async function inTwos(list, task) {
  const left = [...list];
  const one = async () => {
    for (let next; (next = left.shift()) !== undefined;) await task(next);
  };
  await Promise.all([one(), one()]);
}

const { browser, reason } = await browserOrReason();
if (browser === undefined) {
  console.log(`SKIPPED the check of the site in a browser: ${reason}`);
  process.exit();
}
const { server, address } = await serve(output, { base: "/a/folder/" });
try {
  if (!onlyShots) {
    await inTwos(
      places.filter((place) => place.includes(only)),
      (place) =>
        look(browser, address, place).catch((error) => faults.push(`${place}: ${error.message.split("\n")[0]}`)),
    );
    lostLinks(address);
    await search(browser, address);
    await play(browser, address);
  }
  if (only === "") await shoot(browser, address);
} finally {
  await browser.close();
  server.close();
}
for (const fault of new Set(faults)) console.error(fault);
if (faults.length > 0) {
  console.error(`\n${new Set(faults).size} faults in ${places.length} pages`);
  process.exitCode = 1;
} else console.log(`${places.length} pages are as they should be`);
