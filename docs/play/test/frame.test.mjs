/**
 * The frame: the page needs nothing but its file, each state has a URL, and the file is as small as it may be.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { gzipSync } from "node:zlib";

/** The budget, in bytes: of the file, and of the file as a server sends it. The words of each step took 3 kB of it. */
const [BYTES, GZIPPED] = [171_000, 115_000];

const HASHES = [
  "#worker/first/0/7",
  "#worker/repair/0!c20/25",
  "#worker/worker/0!c20!a22/24",
  "#worker/first/0!c20/28/m5/fails-ack/go",
  "#worker/repair/0/9/m1",
  "#transfer/saga/0!c4/6",
  "#transfer/same/0!c4/6/fails-declined/go",
  "#transfer/same/0.1!c4/6",
  "#contexts/d0.n1.c1/2",
  "#channels/2/sa.sb.x1.ca/3",
  "#schedule/lost-wake-up/0.1/5",
  "#schedule/acks-left-in-the-channel/0!c7/9/both",
];

/** What is shown, without what changes by itself. */
const state = (page) =>
  page.evaluate(() => {
    const {
      recorded: _recorded,
      losing: _losing,
      points: _points,
      ...data
    } = document.querySelector("article")?.dataset ?? {};
    return JSON.stringify([document.querySelector("#view").dataset.view, data]);
  });

export default {
  async "makes no request and logs no error in any view"({ open }) {
    const { page, errors, close } = await open("");
    for (const hash of ["#worker", "#transfer", "#contexts", "#channels", "#schedule"]) {
      await page.waitForSelector("article");
      await page.evaluate((hash) => (location.hash = hash), hash);
      for (const key of ["ArrowRight", " ", "s", "Home", "End", "]", "[", "c"]) await page.keyboard.press(key);
      await page.waitForSelector("article");
      deepEqual(errors, [], hash);
    }
    await close();
  },

  async "has a URL for every state, which leads back to it"({ open, url }) {
    const { page, errors, close } = await open();
    for (const hash of HASHES) {
      await page.evaluate((hash) => (location.hash = hash), hash);
      await page.waitForFunction((hash) => document.querySelector("article") !== null && location.hash === hash, hash);
      const name = hash.slice(1).split("/")[0].replace("transfer", "worker");
      await page.waitForSelector(`#view[data-view="${name}"] article`);
      await page.waitForTimeout(300);
      const before = await state(page);
      // One step changes the URL; the step back, or another visit, leads to the same state.
      equal(await page.evaluate(() => location.hash), hash);
      await page.reload();
      await page.waitForSelector("article");
      await page.waitForTimeout(300);
      equal(await state(page), before, hash);
    }
    await page.goto(`${url}#worker/first/0/7`);
    await page.waitForSelector('article[data-step="7"]');
    await page.keyboard.press("ArrowRight");
    await page.waitForFunction(() => location.hash === "#worker/first/0/8");
    await page.keyboard.press("s");
    await page.waitForFunction(() => location.hash.startsWith("#worker/first/0!c8/"));
    deepEqual(errors, []);
    await close();
  },

  async "goes to the URL that the reader enters while the page is about to write its own"({ open }) {
    const { page, close } = await open("#worker/first/0/7");
    await page.waitForSelector('article[data-step="7"]');
    // Two timers are due at once: the reader's, then the one by which the page writes its URL. The event of the reader's URL comes after both.
    await page.evaluate(() => {
      setTimeout(() => (location.hash = "#worker/first/0/3"), 200);
      window.press("ArrowRight");
      for (const begun = Date.now(); Date.now() - begun < 400;);
    });
    await page.waitForSelector('article[data-step="3"]');
    await page.waitForTimeout(400);
    equal(await page.evaluate(() => location.hash), "#worker/first/0/3");
    await close();
  },

  async "says so if a replay string does not fit, and leads back"({ open }) {
    const { page, close } = await open("#worker/first/zz.z/3");
    await page.click('[role="alert"] button');
    await page.waitForSelector('article[data-replay="0"]');
    await close();
  },

  async "shows the timelines as text without JavaScript"({ open }) {
    const { page, close } = await open("", { javaScriptEnabled: false });
    equal(await page.locator("noscript pre, .plain pre").count(), 3);
    ok(/cancel t\.ctx/.test(await page.locator(".plain pre").first().innerText()));
    await close();
  },

  async "prints the timeline as a table"({ open }) {
    const { page, close } = await open("#worker/first/0!c12/14");
    await page.waitForSelector("article");
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
    await page.emulateMedia({ media: "print" });
    await page.waitForSelector(".timeline tbody tr");
    ok(await page.isVisible(".timeline tbody tr:last-child"));
    equal(await page.isVisible('[data-control="sigterm"]'), false);
    await close();
  },

  async "stays within its budget"({ html }) {
    const [bytes, gzipped] = [Buffer.byteLength(html), gzipSync(html, { level: 9 }).length];
    ok(bytes <= BYTES, `${bytes} bytes`);
    ok(gzipped <= GZIPPED, `${gzipped} bytes gzipped`);
    return `${bytes} bytes, ${gzipped} gzipped`;
  },
};
