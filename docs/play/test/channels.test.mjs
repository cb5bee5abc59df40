/**
 * View 3: what is shown of a channel is what the channel itself says, whatever is pressed.
 */
import { deepEqual, equal, ok } from "node:assert/strict";

const PRESSES = ["sa", "sb", "ra", "rb", "sa", "ra", "sb", "rb", "select", "select", "time", "end", "ca", "cb", "undo"];

/** Presses buttons at random, 500 in all; returns what was wrong. Runs in the page. */
async function pressAtRandom({ presses, seed, count }) {
  const { until } = window;
  let state = seed;
  const next = (n) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 4_294_967_296) * n);
  };
  const article = () => document.querySelector("article.channels");
  const settled = () => until(() => article().dataset.at === article().dataset.shown);
  const wrong = [];
  const seen = new Set();
  // Until all kinds have been seen, because what can be pressed depends on how fast the page is.
  for (let i = 0; i < count || (seen.size < 4 && i < 8 * count); i++) {
    // Scripts of up to 14 presses; then a new one, with another capacity.
    if (article().dataset.script.split(".").length > 13) {
      document.querySelector('[data-control="clear"]').click();
      await until(() => article().dataset.script === "");
      const slider = document.querySelector(".capacity input");
      slider.value = String(next(5));
      slider.dispatchEvent(new Event("input", { bubbles: true }));
      await until(() => article().dataset.capacity === slider.value);
      await settled();
    }
    const control = presses[next(presses.length)];
    const button = document.querySelector(`[data-control="${control}"]`);
    if (button.ariaDisabled === "true") continue;
    const before = article().dataset.script;
    button.click();
    await until(() => article().dataset.script !== before);
    await settled();
    const where = `${article().dataset.capacity}/${article().dataset.script}`;
    for (const rule of document.querySelectorAll(".rules [data-holds=false]"))
      wrong.push(`${where}: ${rule.textContent}`);
    for (const channel of document.querySelectorAll("[data-channel]")) {
      const { length, text, buffer } = channel.dataset;
      const slots = channel.querySelectorAll(".slot.full").length;
      const real = Number(/^Chan\((\d+)\//.exec(text)[1]);
      if (slots !== real || Number(length) !== real || buffer.split(",").filter(Boolean).length !== real)
        wrong.push(`${where}: ${text} is shown as ${slots}`);
      const waiters = channel.querySelectorAll(".waiter").length;
      const waiting = [...text.matchAll(/(\d+) (sender|receiver)s? waiting/g)].reduce(
        (sum, [, n]) => sum + Number(n),
        0,
      );
      if (waiters !== waiting) wrong.push(`${where}: ${text} is shown with ${waiters} waiters`);
      if (/waiting/.test(text)) seen.add(/sender/.test(text) ? "sender" : "receiver");
    }
    if (document.querySelector(".dice.thrown") !== null) seen.add("dice");
    if (/misuse/.test(document.querySelector('[data-control="sentence"]').textContent)) seen.add("misuse");
  }
  return { wrong, seen: [...seen] };
}

export default {
  async "shows the buffer and the queues of the real channels after each of 500 random presses"({ open }) {
    const { page, errors, close } = await open("#channels");
    await page.waitForSelector("article.channels");
    const { wrong, seen } = await page.evaluate(pressAtRandom, { presses: PRESSES, seed: 7, count: 500 });
    deepEqual(wrong.slice(0, 5), []);
    deepEqual(new Set(seen), new Set(["dice", "misuse", "receiver", "sender"]));
    deepEqual(errors, []);
    await close();
  },

  async "forces each outcome of a select that has several ready cases"({ open }) {
    const { page, close } = await open("#channels/1/sa.sb.e.x0/4");
    await page.waitForSelector(".dice.thrown");
    const among = (await page.getAttribute(".dice", "data-among")).split(",");
    deepEqual(among, ["a", "b", "stop"]);
    for (const [i, name] of among.entries()) {
      await page.click(`[data-force="${i}"]`);
      await page.waitForSelector(`.dice[data-pick="${i}"]`);
      await page.waitForFunction(
        (name) => document.querySelector(".calls li:last-child").textContent.includes(`took ${name}`),
        name,
      );
    }
    await close();
  },

  async "shows the text of the error when a channel is misused"({ open }) {
    const { page, close } = await open("#channels/1/ca.ca/2");
    await page.waitForSelector("article.channels");
    ok(/close of closed channel/.test(await page.textContent('[data-control="sentence"]')));
    await page.click('[data-control="sa"]');
    await page.waitForFunction(() =>
      /send on closed channel/.test(document.querySelector('[data-control="sentence"]').textContent),
    );
    equal(await page.getAttribute('[data-channel="a"]', "data-text"), "Chan(0/1, closed)");
    await close();
  },
};
