/**
 * Pictures for a person to look at, in .build/play/: each view, light and dark, wide and narrow. None is wider than its screen.
 */
import { ok } from "node:assert/strict";
import { dirname, join } from "node:path";

const VIEWS = {
  worker: "#worker/first/0!c20/28",
  go: "#worker/repair/0/29/m5/fails-ack/go",
  transfer: "#transfer/repair/0!c8/12",
  contexts: "#contexts",
  channels: "#channels/2/sa.sa.sa.sb.rb.rb.x1/7",
  schedule: "#schedule/acks-left-in-the-channel/0!c4/17/both",
};

export default {
  async "fits on screens of 1280 and 360 px, in light and dark"({ open, file }) {
    const folder = dirname(file);
    for (const colorScheme of ["light", "dark"]) {
      for (const width of [1280, 360]) {
        const { page, close } = await open("", {
          colorScheme,
          viewport: { width, height: width === 360 ? 740 : 900 },
          reducedMotion: "reduce",
        });
        for (const [name, hash] of Object.entries(VIEWS)) {
          await page.evaluate((hash) => (location.hash = hash), hash);
          await page.waitForSelector(`#view[data-view="${/^(transfer|go)$/.test(name) ? "worker" : name}"] article`);
          if (/^(worker|go|transfer)$/.test(name)) {
            const [story, language] = name === "go" ? ["worker", "go"] : [name, "ts"];
            await page.waitForFunction(
              ([story, language]) => {
                const { dataset } = document.querySelector("article.stop") ?? { dataset: {} };
                if (dataset.story !== story || dataset.language !== language) return false;
                return dataset.points === dataset.recorded && dataset.points !== "0";
              },
              [story, language],
            );
          }
          const wide = await page.evaluate(() => document.documentElement.scrollWidth);
          await page.screenshot({ path: join(folder, `${name}-${colorScheme}-${width}.png`), fullPage: true });
          const heights = await page.$$eval(".code pre", (codes) => codes.map((code) => code.clientHeight));
          ok(
            heights.every((height) => height >= 100),
            `${name} at ${width} px has code of ${heights} px`,
          );
          ok(wide <= width, `${name} at ${width} px is ${wide} px wide`);
        }
        await close();
      }
    }
  },
};
