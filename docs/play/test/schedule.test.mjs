/**
 * View 4: each bug of the catalogue can be made to fail here, and its repair cannot.
 */
import { deepEqual, equal, ok } from "node:assert/strict";

export default {
  async "finds each bug of the catalogue; its string fails in Node, too, and the repair holds under it"({
    open,
    programs,
  }) {
    const { record, entries } = programs;
    equal(entries.length, 26);
    const { page, errors, close } = await open(`#schedule/${entries[0].id}/0/1`);
    for (const { id, bug } of entries) {
      await page.selectOption('[data-control="bug"]', id);
      await page.waitForSelector(`article[data-bug="${id}"][data-found=""]`);
      equal(await page.getAttribute("article", "data-failed"), "false", `${id} in the plain order`);
      await page.click('[data-control="find"]');
      await page.waitForSelector(`article[data-bug="${id}"][data-failed="true"]:not([data-found="searching"])`);
      await page.waitForSelector('article[data-fixed="held"]');
      const replay = await page.getAttribute("article", "data-replay");
      equal(replay, await page.getAttribute("article", "data-found"));
      equal((await page.textContent(".replay code")).trim(), replay);
      ok((await record(bug.scenario(false), replay)).error !== undefined, `${id} fails in Node under ${replay}`);
      equal((await record(bug.scenario(true), replay)).error, undefined, `${id}, repaired`);
    }
    deepEqual(errors, []);
    await close();
    return `${entries.length} bugs`;
  },

  async "lets the reader take another candidate at a fork, and cancel at any step"({ open }) {
    const { page, close } = await open("#schedule/acks-left-in-the-channel/0/1");
    await page.waitForSelector("article.schedule");
    await page.click('[data-fork="0"][data-pick="1"]');
    await page.waitForSelector('article[data-replay="1"][data-step="2"]');
    ok(/ackUntilCancelled/.test(await page.textContent('[data-control="sentence"]')));
    await page.keyboard.press("ArrowRight");
    await page.click('[data-control="cancel"]');
    await page.waitForSelector('article[data-replay="1!c3"]');
    ok(await page.isDisabled('[data-control="cancel"]'));
    await close();
  },
};
