/**
 * Accessibility: every control by keyboard, nothing serious by axe, and no movement where it is not wanted.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";

const VIEWS = [
  "#worker/first/0!c12/16",
  "#contexts",
  "#channels/2/sa.sb.e.x1/4",
  "#schedule/acks-left-in-the-channel/0!c7/9/both",
];

export default {
  async "has nothing serious in any view and theme, by axe"({ open, require }) {
    const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
    for (const colorScheme of ["light", "dark"]) {
      const { page, close } = await open("", { colorScheme, reducedMotion: "reduce", bypassCSP: true });
      await page.evaluate(axe);
      for (const hash of VIEWS) {
        await page.evaluate((hash) => (location.hash = hash), hash);
        const name = hash.slice(1).split("/")[0];
        await page.waitForSelector(`#view[data-view="${name}"] article`);
        const violations = await page.evaluate(async () => {
          const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
          const bad = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
          return bad.map(
            ({ id, nodes }) =>
              `${id}: ${nodes.map(({ html, any }) => `${html.slice(0, 120)} ${any[0]?.message ?? ""}`).join(" | ")}`,
          );
        });
        deepEqual(violations, [], `${hash} ${colorScheme}`);
      }
      await close();
    }
  },

  async "reaches every control by Tab and arrows, and leaves them all"({ open }) {
    const { page, close } = await open("#worker/first/0/12", { reducedMotion: "reduce" });
    for (const hash of VIEWS) {
      await page.evaluate((hash) => (location.hash = hash), hash);
      await page.waitForSelector(`#view[data-view="${hash.slice(1).split("/")[0]}"] article`);
      // The radio buttons, tabs, tree items and points of a strip are one stop each, with arrows inside.
      const wanted = await page.evaluate(() => {
        document.activeElement?.blur();
        const all = [
          ...document.querySelectorAll(
            "#page button:not(:disabled), #page input, #page select, #page summary, #page a",
          ),
        ];
        const stops = all.filter((one) => one.tabIndex >= 0 && (one.type !== "radio" || one.checked));
        stops.forEach((one, i) => (one.dataset.stop = String(i)));
        return stops.length;
      });
      const reached = new Set();
      for (let i = 0; i < wanted + 12; i++) {
        await page.keyboard.press("Tab");
        reached.add(await page.evaluate(() => document.activeElement?.dataset.stop ?? ""));
      }
      reached.delete("");
      equal(reached.size, wanted, hash);
    }
    await close();
  },

  async "steps, stops, changes design and view by keys"({ open }) {
    const { page, close } = await open("#worker/first/0/12", { reducedMotion: "reduce" });
    const shows = (selector) => page.waitForSelector(selector);
    await shows('article[data-step="12"]');
    await page.keyboard.press("ArrowLeft");
    await shows('article[data-step="11"]');
    await page.keyboard.press("s");
    await shows('article[data-replay="0!c11"]');
    await page.keyboard.press("End");
    await page.keyboard.press("]");
    await shows('article[data-design="repair"]');
    await page.keyboard.press("?");
    await shows("dialog[open]");
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => document.querySelector("dialog") === null);
    for (const [key, view] of [
      ["2", "contexts"],
      ["3", "channels"],
      ["4", "schedule"],
      ["1", "worker"],
    ]) {
      await page.keyboard.press(key);
      await shows(`#view[data-view="${view}"]`);
    }
    await shows("article.stop");
    await page.focus(".mark[tabindex='0']");
    const before = await page.evaluate(() => document.activeElement.dataset.k);
    await page.keyboard.press("ArrowRight");
    equal(await page.evaluate(() => document.activeElement.dataset.k), String(Number(before) + 1));
    await page.keyboard.press("Enter");
    await shows(`article[data-replay="0!c${Number(before) + 1}"]`);
    await close();
  },

  async "moves nothing if the reader wants it calm"({ open }) {
    const { page, close } = await open("", { reducedMotion: "reduce" });
    await page.waitForSelector("article.stop");
    for (const key of ["ArrowRight", "ArrowRight", "s", "ArrowRight"]) {
      await page.keyboard.press(key);
      equal(await page.evaluate(() => document.getAnimations().length), 0);
    }
    equal(await page.getAttribute('[data-control="play"]', "aria-label"), "Play");
    await close();
  },

  async "says each step to a screen reader"({ open }) {
    const { page, close } = await open("#worker/first/0!c12/13");
    await page.waitForSelector("article.stop");
    await page.keyboard.press("ArrowRight");
    await page.waitForFunction(() => document.querySelector('[role="log"]').textContent.startsWith("Step 14."));
    ok(/step 14 of/.test(await page.getAttribute(".playhead", "aria-valuetext")));
    await close();
  },

  async "keeps the outline of the chosen line and point with forced colours"({ open }) {
    const { page, close } = await open("#worker/first/0!c12/13", { forcedColors: "active" });
    const parts = [".code .lit", ".mark.chosen", ".station"];
    for (const part of parts) await page.waitForSelector(part);
    const styles = await page.evaluate(
      (parts) => parts.map((part) => getComputedStyle(document.querySelector(part)).borderTopStyle),
      parts,
    );
    deepEqual(styles, ["solid", "solid", "solid"]);
    await close();
  },
};
