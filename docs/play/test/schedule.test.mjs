/**
 * View 4: each bug of the catalogue can be made to fail here, and its repair cannot.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { forNode } from "../build.mjs";

const play = fileURLToPath(new URL("..", import.meta.url));

/** A program that runs the shown code of all bugs, in both forms, beside that of the catalogue. It prints where the traces differ. */
function comparison(entries) {
  const forms = entries.flatMap(({ id, broken, fixed }) =>
    Object.entries({ broken, fixed }).map(([form, { listing }]) => {
      const code = listing.lines.map(({ text }) => text).join("\n");
      return `${JSON.stringify(`${id} ${form}`)}: (() => { ${code.replace(/^async \(t\)/m, "return async (t)")} })(),`;
    }),
  );
  return `
    import { Chan, context, errgroup, go, retry, select, semaphore, singleflight, sync, time } from "headgate";
    import { strict as assert } from "node:assert";
    import { Broker, unlessCancelled } from ${JSON.stringify(join(play, "../../test/testing/bugs/bug.ts"))};
    import { entries, record } from ${JSON.stringify(join(play, "test/programs.ts"))};
    const shown = { ${forms.join("\n")} };
    async function outcome(scenario, replay) {
      try {
        const { trace, error } = await record(scenario, replay);
        return String(trace) + error?.message.split("\\n")[0];
      } catch (error) {
        return error.message; // the string does not fit
      }
    }
    const [different, seen] = [[], new Set()];
    for (const { id, bug } of entries) {
      for (const form of ["broken", "fixed"]) {
        for (const replay of ["0", "0!c2", "0!c4", "1", "0.1!c5"]) {
          const wanted = await outcome(bug.scenario(form === "fixed"), replay);
          const now = await outcome(shown[id + " " + form], replay);
          if (now !== wanted) different.push([id, form, replay, now, wanted].join("\\n"));
          seen.add(id + form + now);
        }
      }
    }
    console.log(JSON.stringify({ different, seen: seen.size }));`;
}

/** What a line must have for a task to wait there. */
const WAITS = {
  send: /send/,
  recv: /recv|pull|for await/,
  select: /select|next/,
  lock: /lock/,
  acquire: /acquire/,
  "cond.wait": /changed\.wait/,
  "wg.wait": /\.wait\(\)/,
  "group.wait": /\.wait\(\)/,
};

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
      const { error, trace } = await record(bug.scenario(false), replay);
      ok(error !== undefined, `${id} fails in Node under ${replay}`);
      // The tasks have the names that they have in Node.
      const lanes = await page.$eval(".names", (list) => [...list.querySelectorAll("li")].map((li) => li.textContent));
      const tasks = new Set(trace.rows.map(({ task }) => ({ "⏱": "time", "⚡": "cancel" })[task] ?? task));
      deepEqual(new Set(lanes), tasks, id);
      equal((await record(bug.scenario(true), replay)).error, undefined, `${id}, repaired`);
    }
    deepEqual(errors, []);
    await close();
    return `${entries.length} bugs`;
  },

  async "shows the code that runs: the shown text, run in Node, leaves the same trace"({ file, programs }) {
    const module = join(dirname(file), "shown.ts");
    writeFileSync(module, comparison(programs.entries));
    const program = await forNode(relative(play, module), { keepNames: true });
    // A process of its own: two copies of the library cannot run at once.
    const { stdout } = await promisify(execFile)(process.execPath, [program], { maxBuffer: 64 * 1024 * 1024 });
    const { different, seen } = JSON.parse(stdout);
    deepEqual(different, []);
    ok(seen > 100, `${seen} different schedules`);
    return `${seen} schedules`;
  },

  async "lights the line in which the task of a step waits"({ programs }) {
    const { entries, litLines } = programs;
    let waits = 0;
    for (const { id, broken, fixed } of entries) {
      for (const { recordings, listing } of [broken, fixed]) {
        for (const replay of ["0", "0!c3"]) {
          const { steps } = await recordings.get(replay);
          const lit = litLines(steps, listing);
          equal(lit.length, steps.length);
          for (const [i, { task, rows }] of steps.entries()) {
            ok(lit[i] >= 1 && lit[i] <= listing.lines.length, `${id} ${replay}: step ${i + 1} has line ${lit[i]}`);
            const last = rows.findLast((row) => row.task === task);
            const wait = WAITS[/^wait (.*)$/.exec(last?.event ?? "")?.[1]];
            if (wait === undefined) continue;
            const { text } = listing.lines[lit[i] - 1];
            // A function that is called in this line may wait for it.
            ok(
              wait.test(text) || /await \w+\(|return \w+\(|await broker/.test(text),
              `${id}: ${last.event} in ${text}`,
            );
            waits++;
          }
        }
      }
    }
    return `${waits} waits`;
  },

  async "shows the repair beside the bug when the reader asks for it, with what differs marked"({ open }) {
    const { page, errors, close } = await open("#schedule/acks-left-in-the-channel/0/3");
    await page.waitForSelector("article.schedule");
    equal(await page.locator(".code").count(), 1);
    equal(await page.locator(".code .gone, .code .new").count(), 0);
    await page.focus('[data-control="form"] input:checked');
    await page.keyboard.press("ArrowRight");
    await page.waitForSelector('article[data-fixed="held"]');
    await page.waitForFunction(() => location.hash === "#schedule/acks-left-in-the-channel/0/3/both");
    deepEqual(await page.$$eval(".code", (codes) => codes.map((code) => code.querySelectorAll(".lit").length)), [1, 1]);
    const marked = (name) => page.$$eval(`.code .${name}`, (lines) => lines.map((line) => line.textContent.trim()));
    ok((await marked("gone")).includes("void group.go(ackUntilCancelled);"));
    ok((await marked("new")).includes("void group.go(ackUntilClosed);"));
    deepEqual(errors, []);
    await close();
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
