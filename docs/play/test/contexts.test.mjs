/**
 * View 2: the tree shows what its contexts say.
 */
import { deepEqual, equal } from "node:assert/strict";

/** A generator of numbers, the same each time. */
function numbers(seed) {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 4_294_967_296) * n);
  };
}

/** A tree of nine nodes under the root. */
function generated(seed) {
  const next = numbers(seed);
  return Array.from({ length: 9 }, (_, i) => `${"nndvos"[next(6)]}${next(i + 1)}`).join(".");
}

/** What the page shows, and what the contexts themselves say. */
const both = (page) =>
  page.evaluate(() => {
    const shown = [...document.querySelectorAll(".node")].map(({ dataset }) => ({
      id: Number(dataset.node),
      err: dataset.err,
      cause: dataset.cause,
    }));
    const real = window.contexts().map(({ id, err, cause }) => ({ id, err, cause }));
    return { shown: shown.sort((a, b) => a.id - b.id), real };
  });

/** Presses one button for the node, waits until its end has gone down, and compares. */
async function ends(page, node, control) {
  await page.click(`.node[data-node="${node}"]`);
  const button = page.locator(`.details [data-control="${control}"]`);
  if ((await button.count()) === 0 || (await button.isDisabled())) return false;
  await button.click();
  await page.waitForFunction((node) => document.querySelector(`.node[data-node="${node}"]`).dataset.err !== "", node);
  await page.waitForTimeout(60);
  return true;
}

export default {
  async "shows after each cancel what err() and cause() of every node say"({ open }) {
    let count = 0;
    const { page, errors, close } = await open("#contexts/n0/1");
    await page.waitForSelector(".tree");
    for (const seed of [1, 2]) {
      const ops = generated(seed);
      for (let node = 1; node <= 9; node++) {
        await page.evaluate((hash) => (location.hash = hash), `#contexts/${ops}/${node}`);
        await page.waitForSelector(`article[data-ops="${ops}"][data-node="${node}"]`);
        const control = ["c", "k", "a"][node % 3];
        if ((await ends(page, node, control)) || (await ends(page, node, "c"))) count++;
        const { shown, real } = await both(page);
        equal(shown.length, 10);
        deepEqual(shown, real, `${ops}: end of node ${node}`);
      }
    }
    deepEqual(errors, []);
    await close();
    return `${count} cancels`;
  },

  async "ends what is below and nothing above, and leaves what withoutCancel keeps"({ open }) {
    const { page, close } = await open("#contexts");
    await page.waitForSelector(".tree");
    await page.click('.node:has-text("request")');
    await page.click('.details [data-control="c"]');
    await page.waitForSelector('.node[data-node="4"][data-status="canceled"]');
    const statuses = await page.$$eval(".node", (nodes) =>
      nodes.map((node) => `${node.querySelector("b").textContent} ${node.dataset.status}`),
    );
    deepEqual(statuses, [
      "root never",
      "request canceled",
      "db canceled",
      "api canceled",
      "retry canceled",
      "audit never",
      "session canceled",
      "button canceled",
    ]);
    await close();
  },
};
