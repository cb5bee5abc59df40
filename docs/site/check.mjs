/**
 * Looks at the site in headless Chromium: `node docs/site/check.mjs`, after `npm run docs`. It is served under a folder of its own.
 *
 *     --only TEXT     the pages whose path has this text
 *     --shots         makes the screenshots alone
 *
 * Every page loads without an error on the console and without network beyond the server here. Its links lead to pages and headings that
 * are there. It is no wider than a screen of 360 px. axe finds nothing serious in it, in either theme; of the reference,
 * which is generated, that holds for a page of each kind. The search finds `withoutCancel`. From a page in a folder one gets to others, with and
 * without a reload. Screenshots of some pages are put into .build/site-shots.
 *
 * Without a browser the check is skipped, and says so.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { browserOrReason } from "./browser.mjs";
import { output, PLAY, REFERENCE, root } from "./pages.mjs";
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

const places = readdirSync(output, { recursive: true })
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => file.endsWith(".html") && file !== "404.html" && file !== PLAY)
  .sort((a, b) => (a < b ? -1 : 1));

const faults = [];
/** The headings of each page, and the links to other pages. */
const anchors = new Map();
const links = [];

/** The colours of texts at which axe has looked, in either theme. */
const colours = new Set();
/** The places of elements that pages of the reference have had. */
const kinds = new Set();

/** A tab that writes down what goes wrong in it, and on which page. */
async function tab(context, address) {
  const page = await context.newPage();
  const tab = { page, address, place: "" };
  const fault = (text) => faults.push(`${tab.place}: ${text}`);
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) fault(`the console says: ${message.text()}`);
  });
  page.on("pageerror", (error) => fault(error.message));
  page.on("response", (response) => {
    if (response.status() >= 400) fault(`${response.status()} for ${response.url()}`);
  });
  page.on("request", (request) => {
    if (![address, "data:", "blob:"].some((begin) => request.url().startsWith(begin)))
      fault(`asks for ${request.url()}`);
  });
  return tab;
}

async function open(tab, place) {
  tab.place = place;
  await tab.page.emulateMedia({ colorScheme: "light" });
  await tab.page.setViewportSize({ width: 1280, height: 900 });
  await tab.page.goto(tab.address + place, { waitUntil: "load" });
}

/** Waits until the scripts have taken over, and the pictures are drawn. */
const settled = ({ page }) =>
  page.waitForFunction(
    () => document.querySelector("#app")?.__vue_app__ !== undefined && document.querySelector(".mermaid-text") === null,
  );

/** Changes the theme, as the system's settings would. */
async function inTheme(tab, theme) {
  await tab.page.emulateMedia({ colorScheme: theme });
  await tab.page.waitForFunction(
    (isDark) => document.documentElement.classList.contains("dark") === isDark,
    theme === "dark",
  );
  await settled(tab);
}

/** What axe calls serious or worse. `run` is called in the page, and returns the violations. */
async function inspect({ page, place }, what, run, argument) {
  if (await page.evaluate(() => window.axe === undefined)) await page.addScriptTag({ content: axe });
  for (const { id, impact, nodes } of await page.evaluate(run, argument)) {
    if (!["serious", "critical"].includes(impact)) continue;
    const targets = nodes.slice(0, 3).map(({ target, any }) => `${target.join(" ")} ${any[0]?.message ?? ""}`);
    faults.push(`${place}, ${what}: axe: ${id} (${nodes.length}×): ${targets.join("; ")}`);
  }
}

/** All rules but that of the colours. It comes last, because it takes out of the page what these rules do not need. */
async function inspectElements(tab) {
  if (tab.place.startsWith(`${REFERENCE}/`)) {
    // The reference is generated: a page of each kind is enough.
    const places = await tab.page.evaluate(() => [
      ...new Set(Array.from(document.querySelectorAll(".vp-doc *"), (e) => `${e.parentElement.tagName} ${e.tagName}`)),
    ]);
    const isNew = places.some((place) => !kinds.has(place));
    for (const place of places) kinds.add(place);
    if (!isNew) return;
  }
  // What is around every page is looked at around one.
  const frame = tab.place === "index.html" ? "" : ".VPSidebar, .VPNav, .VPLocalNav";
  await inspect(
    tab,
    "elements",
    async (frame) => {
      if (frame !== "") for (const element of document.querySelectorAll(frame)) element.remove();
      // A program is a hundred coloured words, each an element: without them axe has less to do.
      for (const code of document.querySelectorAll("pre code")) code.replaceChildren(code.textContent);
      const options = { resultTypes: ["violations"], rules: { "color-contrast": { enabled: false } } };
      return (await window.axe.run(document, options)).violations;
    },
    frame,
  );
}

/** Whether texts can be read: axe looks once at each combination of colours, size and weight of the whole site. */
async function inspectColours(tab, theme) {
  const found = await tab.page.evaluate(coloursOf);
  const isThere = (shown) => shown.filter((colour) => window.texts.get(colour).isConnected);
  // A picture may be drawn again meanwhile: then another page, or theme, has this combination.
  const shown = new Set(await tab.page.evaluate(isThere, found));
  const fresh = found.filter((colour) => shown.has(colour) && !colours.has(colour));
  for (const colour of fresh) colours.add(colour);
  if (fresh.length === 0) return;
  await inspect(
    tab,
    theme,
    async (fresh) => {
      const include = fresh.map((colour) => window.texts.get(colour));
      return (await window.axe.run({ include }, { resultTypes: ["violations"], runOnly: ["color-contrast"] }))
        .violations;
    },
    fresh,
  );
}

/** Runs in the page: its combinations. `window.texts` gets an element of each. */
function coloursOf() {
  /** What is painted behind the text of an element, down to what hides the rest. */
  const grounds = new Map([[null, ""]]);
  const groundOf = (element) => {
    if (grounds.has(element)) return grounds.get(element);
    const { backgroundColor, backgroundImage, opacity } = getComputedStyle(element);
    const own = [
      backgroundColor === "rgba(0, 0, 0, 0)" ? "" : backgroundColor,
      backgroundImage === "none" ? "" : backgroundImage,
      opacity === "1" ? "" : opacity,
    ].join("");
    const isOpaque = own === backgroundColor && backgroundColor.startsWith("rgb(");
    const ground = isOpaque ? own : `${own}${groundOf(element.parentElement)}`;
    grounds.set(element, ground);
    return ground;
  };
  window.texts = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const elements = new Set();
  while (walker.nextNode()) if (walker.currentNode.data.trim() !== "") elements.add(walker.currentNode.parentElement);
  for (const element of elements) {
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    const { color, fontSize, fontWeight } = getComputedStyle(element);
    const colour = [color, groundOf(element), fontSize, fontWeight].join(" ");
    if (!window.texts.has(colour)) window.texts.set(colour, element);
  }
  return [...window.texts.keys()];
}

const isShown = (place) => only === "" && SHOWN.some((begin) => place.startsWith(begin));

async function shoot({ page, place }, width, theme) {
  const name = place.replace(/\.html$/, "").replaceAll("/", "-");
  // On a busy machine what was drawn last may still be in another size.
  await page.bringToFront();
  await page.evaluate(() => new Promise((end) => requestAnimationFrame(() => requestAnimationFrame(end))));
  await page.screenshot({ path: join(SHOTS, `${name}-${width}-${theme}.png`) });
}

async function look(tab, place) {
  const { page } = tab;
  await open(tab, place);
  await settled(tab);
  const found = await page.evaluate(() => ({
    ids: [...document.querySelectorAll("[id]")].map(({ id }) => id),
    links: [...document.querySelectorAll(".VPContent a[href], .VPSidebar a[href]")].map((a) => a.href),
    // The link to a heading is a space of no width.
    title: (document.querySelector("h1")?.textContent ?? "").replaceAll("\u200b", "").trim(),
    // Fonts differ a little between machines.
    cut: [...document.querySelectorAll(".mermaid")].filter((picture) => picture.scrollWidth > 1.1 * picture.clientWidth)
      .length,
  }));
  anchors.set(place, new Set(found.ids));
  for (const link of found.links) links.push([place, link]);
  if (found.title === "") faults.push(`${place}: it has no title`);
  if (found.cut > 0) faults.push(`${place}: ${found.cut} of its pictures are wider than the page at 1280 px`);
  if (isShown(place)) await shoot(tab, 1280, "light");
  await inspectColours(tab, "light");
  await inTheme(tab, "dark");
  if (isShown(place)) await shoot(tab, 1280, "dark");
  await inspectColours(tab, "dark");
  await page.setViewportSize({ width: 360, height: 900 });
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
  if (isShown(place)) {
    await shoot(tab, 360, "dark");
    await inTheme(tab, "light");
    await shoot(tab, 360, "light");
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await inspectElements(tab);
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
async function search(tab) {
  const { page, address } = tab;
  try {
    await open(tab, "testing.html");
    await settled(tab);
    await page.click(".DocSearch-Button, #local-search button");
    await page.fill("#localsearch-input", "withoutCancel");
    const result = page.locator(".VPLocalSearchBox .result", { hasText: /withoutCancel/i }).first();
    await result.waitFor();
    await result.click();
    await page.waitForFunction(() => /withoutCancel/i.test(document.querySelector("main")?.textContent ?? ""));
    await open(tab, "reference/headgate/worker/redis.html");
    await settled(tab);
    await page.locator(".VPNavBar a.title").click();
    await page.waitForFunction((home) => location.href === home, address);
    await page.reload();
    await settled(tab);
  } catch (error) {
    faults.push(`the search: ${error.message.split("\n")[0]}`);
  }
}

/** The page that is one by itself: it has its own tests. */
async function play(tab) {
  if (existsSync(join(output, PLAY))) await open(tab, PLAY);
  else console.log('SKIPPED the page "Stop it anywhere", which the site was made without');
}

const { browser, reason } = await browserOrReason();
if (browser === undefined) {
  console.log(`SKIPPED the check of the site in a browser: ${reason}`);
  process.exit();
}
const { server, address } = await serve(output, { base: "/a/folder/", maxAge: 3_600 });
const looked = places.filter((place) => (onlyShots ? isShown(place) : place.includes(only)));
if (only === "") {
  rmSync(SHOTS, { recursive: true, force: true });
  mkdirSync(SHOTS, { recursive: true });
}
try {
  // One context: its tabs share what they have loaded.
  const context = await browser.newContext();
  context.setDefaultTimeout(PATIENCE);
  // Colours that change slowly are of no theme in between.
  await context.addInitScript(() => {
    const style = new CSSStyleSheet();
    style.replaceSync("*, ::before, ::after { transition: none !important; animation: none !important }");
    document.adoptedStyleSheets.push(style);
  });
  const left = [...looked];
  const all = async () => {
    const own = await tab(context, address);
    for (let next; (next = left.shift()) !== undefined;) {
      await look(own, next).catch((error) => faults.push(`${next}: ${error.message.split("\n")[0]}`));
    }
    return own;
  };
  const [own] = await Promise.all([all(), all()]);
  lostLinks(address);
  if (!onlyShots) {
    await search(own);
    await play(own);
  }
} finally {
  await browser.close();
  server.close();
}
if (only === "") console.log(`screenshots of ${places.filter(isShown).length} pages are in .build/site-shots`);
for (const fault of new Set(faults)) console.error(fault);
if (faults.length > 0) {
  console.error(`\n${new Set(faults).size} faults in ${looked.length} pages`);
  process.exitCode = 1;
} else console.log(`${looked.length} pages are as they should be`);
