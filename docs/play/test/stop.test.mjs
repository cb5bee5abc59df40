/**
 * View 1: what the page shows after a stop is what the same replay string gives in Node.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";

const figures = JSON.parse(readFileSync(new URL("../../learn/figures.json", import.meta.url), "utf8"));

/** The settings beside the default, which has points of its own: a number of messages, and what fails. */
const SETTINGS = [
  { messages: 1, fails: "none" },
  { messages: 5, fails: "none" },
  { messages: 2, fails: "pull" },
  { messages: 3, fails: "handle" },
  { messages: 4, fails: "ack" },
];
const FAILURES = ["declined", "unanswered"];

const idsOf = (messages) => Array.from({ length: messages }, (_, i) => `m${i + 1}`);

/** The designs of the page, with their scenarios. */
const designsOf = ({ workers, transfers }) => [
  ...["first", "repair", "worker"].map((id, i) => ({ story: "worker", id, scenario: workers[i] })),
  ...["same", "repair", "saga"].map((id, i) => ({ story: "transfer", id, scenario: transfers[i] })),
];

/** Runs a replay string in Node: what is lost and what is settled, by the books of the scenario alone. */
async function inNode({ record, newBooks, newBankBooks }, { story, scenario }, replay, { messages = 3, fails } = {}) {
  let books;
  const setting = { messages, fails: fails === "none" ? undefined : fails };
  const { error, points } = await record((t) => {
    books = story === "worker" ? newBooks() : newBankBooks();
    return story === "worker" ? scenario.run(t, books, {}, setting) : scenario.run(t, books, setting);
  }, replay);
  if (story === "worker") {
    const ids = idsOf(messages);
    const lost = ids.filter((id) => books.next.includes(id) && books.handled.includes(id));
    return {
      lost: lost.join(),
      acked: ids.filter((id) => books.acked.includes(id)).join(),
      failed: error !== undefined,
      points,
    };
  }
  const moved = ["debit", "credit"].filter((bank) => books.moved.has(bank));
  return {
    lost: moved.length === 1 ? moved[0] : "",
    acked: moved.length === 2 ? moved.join() : "",
    failed: error !== undefined,
    points,
  };
}

const shown = (page) => page.$eval("article.stop", ({ dataset }) => ({ ...dataset }));

const at = (page, replay, step) =>
  page.waitForFunction(
    ([replay, step]) => {
      const { dataset } = document.querySelector("article.stop") ?? { dataset: {} };
      return dataset.replay === replay && (step === undefined || dataset.step === String(step));
    },
    [replay, step],
  );

/** Presses SIGTERM at every point of the design that is shown; returns what the page then shows. Runs in the page. */
async function pressEverywhere(points) {
  const { until, press } = window;
  const shown = () => document.querySelector("article.stop")?.dataset ?? {};
  const seen = [];
  for (let k = 1; k <= points; k++) {
    // The button at odd points, the key at even ones.
    if (k % 2 === 1) document.querySelector('[data-control="sigterm"]').click();
    else press("s");
    await until(() => shown().replay === `0!c${k}`);
    press("Home"); // it has begun to play
    const { lost, acked, step } = shown();
    const sentence = document.querySelector(".replay code").textContent;
    seen.push({ k, lost, acked, step, sentence });
    document.querySelector('[data-control="plain"]').click();
    await until(() => shown().replay === "0" && shown().step === String(k));
    press("ArrowRight");
    if (k < points) await until(() => shown().step === String(k + 1));
  }
  await until(() => shown().recorded === shown().points);
  return {
    seen,
    strip: `${shown().losing} of ${shown().points}`,
    total: document.querySelector('[data-control="total"]').textContent,
  };
}

/** What the strip says of each point, when all are recorded. Runs in the page. */
async function stripOf() {
  const { until } = window;
  const shown = () => document.querySelector("article.stop")?.dataset ?? {};
  await until(() => shown().points !== "0" && shown().recorded === shown().points);
  return [...document.querySelectorAll(".mark")].map((mark) =>
    mark.title.endsWith(": loses nothing") ? "" : /: loses (.*)$/.exec(mark.title)[1].replaceAll(", ", ","),
  );
}

/** Steps to the end and back; returns the frames at which something is wrong. Runs in the page. */
async function thereAndBack() {
  const { until, press } = window;
  const shown = () => document.querySelector("article.stop").dataset;
  const parts = [".stage", ".account", '[data-control="sentence"]', ".where", ".code"];
  const picture = () => parts.map((part) => document.querySelector(part).outerHTML).join("\n");
  const steps = Number(shown().steps);
  const [pictures, wrong] = [[], []];
  for (let step = 1; step <= steps; step++) {
    await until(() => shown().step === String(step));
    if (document.querySelectorAll(".code .lit").length !== 1) wrong.push(`step ${step}: the lit line`);
    if (shown().story === "worker" && shown().holds !== "true")
      wrong.push(`step ${step}: ${document.querySelector(".account").textContent}`);
    pictures.push(picture());
    press("ArrowRight");
  }
  for (let step = steps - 1; step >= 1; step--) {
    press("ArrowLeft");
    await until(() => shown().step === String(step));
    if (picture() !== pictures[step - 1]) wrong.push(`step ${step}: another picture on the way back`);
  }
  return { steps, wrong };
}

const tests = {
  async "shows at every point of every design what the same replay string gives in Node"({ open, programs }) {
    const counts = [];
    for (const design of designsOf(programs)) {
      const { points } = await inNode(programs, design, "0");
      const { page, errors, close } = await open(`#${design.story}/${design.id}/0/1`);
      await at(page, "0", 1);
      const { seen, strip, total } = await page.evaluate(pressEverywhere, points);
      equal(seen.length, points);
      let losing = 0;
      for (const { k, lost, acked, sentence } of seen) {
        const node = await inNode(programs, design, `0!c${k}`);
        deepEqual(
          { lost, acked, sentence },
          { lost: node.lost, acked: node.acked, sentence: `0!c${k}` },
          `${design.id} at ${k}`,
        );
        equal(node.failed, lost !== "", `${design.id} at ${k}: the rule of the scenario`);
        if (lost !== "") losing++;
      }
      equal(`${losing} of ${points}`, figures[design.scenario.id]);
      // The strip, filled in the background, has counted the same.
      equal(strip, `${losing} of ${points}`);
      ok(total.startsWith(strip), total);
      deepEqual(errors, []);
      counts.push(`${design.id} ${losing}/${points}`);
      await close();
    }
    return counts.join(", ");
  },

  async "does so with other numbers of messages, and when something fails, too"({ open, programs }) {
    const counts = [];
    const { page, errors, close } = await open("#worker/first/0/1");
    for (const design of designsOf(programs)) {
      const settings = design.story === "worker" ? SETTINGS : FAILURES.map((fails) => ({ messages: 3, fails }));
      for (const setting of settings) {
        const { messages, fails } = setting;
        const name = `${design.story}/${design.id}, ${messages} messages, fails: ${fails}`;
        const words = [...(messages === 3 ? [] : [`m${messages}`]), ...(fails === "none" ? [] : [`fails-${fails}`])];
        await page.evaluate(
          (hash) => (location.hash = hash),
          `#${design.story}/${design.id}/0!c4/99/${words.join("/")}`,
        );
        await page.waitForSelector(
          `article[data-story="${design.story}"][data-design="${design.id}"][data-messages="${messages}"][data-fails="${fails}"]`,
        );
        const strip = await page.evaluate(stripOf);
        const plain = await inNode(programs, design, "0", setting);
        equal(strip.length, plain.points, name);
        for (const [i, lost] of strip.entries()) {
          const node = await inNode(programs, design, `0!c${i + 1}`, setting);
          equal(lost, node.lost, `${name}, at ${i + 1}`);
        }
        const { lost, acked } = await inNode(programs, design, "0!c4", setting);
        const now = await shown(page);
        deepEqual([now.lost, now.acked], [lost, acked], name);
        const losing = strip.filter((one) => one !== "").length;
        // The last design of each story loses nothing, whatever happens.
        if (design.id === "worker" || design.id === "saga") equal(losing, 0, name);
        counts.push(`${design.id} ${words.join(" ")} ${losing}/${strip.length}`);
      }
    }
    deepEqual(errors, []);
    await close();
    return counts.join(", ");
  },

  async "records again when the reader chooses a number of messages or a failure, and keeps it in the URL"({
    open,
    programs,
  }) {
    const { page, errors, close } = await open("#worker/first/0/1");
    await at(page, "0", 1);
    await page.selectOption('[data-control="messages"]', "5");
    await page.waitForSelector('article[data-messages="5"]');
    equal(await page.locator("[data-token]").count(), 5);
    await page.selectOption('[data-control="fails"]', "ack");
    await page.waitForSelector('article[data-messages="5"][data-fails="ack"]');
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => location.hash === "#worker/first/0/1/m5/fails-ack");
    const design = designsOf(programs)[0];
    const plain = await inNode(programs, design, "0", { messages: 5, fails: "ack" });
    const now = await shown(page);
    deepEqual([now.lost, now.acked], [plain.lost, plain.acked]);
    ok(now.lost !== "", "the failure of an ack loses something without any stop");
    // A stop stays at its time; another program forgets the failure, which it does not know.
    await page.evaluate(() => (location.hash = "#worker/first/0!c20/28/m5"));
    await at(page, "0!c20", 28);
    await page.selectOption('[data-control="messages"]', "2");
    await page.waitForFunction(() => /^#worker\/first\/0!c\d+\/\d+\/m2$/.test(location.hash));
    await page.click('[data-control="story"] label:last-child');
    await page.waitForFunction(() => location.hash === "#transfer/same/0/1");
    equal(await page.locator('[data-control="messages"]').count(), 0);
    deepEqual(errors, []);
    await close();
  },

  async "shows the Go of the talk's slides, with the line of the same operation lit"({ open, programs }) {
    const { page, errors, close } = await open("#worker/first/0!c12/13");
    await at(page, "0!c12", 13);
    const lit = () => page.textContent(".code .lit");
    ok(/await broker\.ack\(ackCtx/.test(await lit()), await lit());
    await page.click('[data-control="language"] label:last-child');
    await page.waitForSelector('article[data-language="go"]');
    await page.waitForFunction(() => location.hash === "#worker/first/0!c12/13/go");
    ok(/broker\.Ack\(ackCtx, m\)/.test(await lit()), await lit());
    ok(/func firstVersion/.test(await page.textContent(".code pre")));
    // It stays Go with another design; where the talk has no slide, the caption says so.
    await page.keyboard.press("]");
    await page.waitForSelector('article[data-design="repair"][data-language="go"]');
    ok(/func ack/.test(await page.textContent(".code pre")));
    await page.keyboard.press("]");
    await page.waitForSelector('article[data-design="worker"][data-language="go"]');
    ok(/no slide/.test(await page.textContent(".code figcaption")));
    deepEqual(errors, []);
    await close();
    const { worker, transfer, DEFAULTS, Lines } = programs;
    const patterns = {
      pull: { select: /broker\.Pull/, send: /select \{/ },
      handle: { recv: /select \{/, sleep: /work\(m\)/, send: /select \{/ },
      ack: { select: /select \{/, sleep: /broker\.Ack/, set: /WithTimeout/ },
    };
    let rows = 0;
    for (const { goCode, show } of worker(DEFAULTS).designs.slice(0, 2)) {
      for (let k = 0; k <= 40; k++) {
        const lines = new Lines(goCode);
        for (const row of (await show(k === 0 ? "0" : `0!c${k}`)).frames.flatMap((frame) => frame.rows)) {
          const line = lines.of(row);
          const pattern = patterns[row.task]?.[row.event.replace(/^(wait|refuse) /, "")];
          if (line === 0 || pattern === undefined) continue;
          ok(pattern.test(goCode[line - 1].text), `${row.task} ${row.event}: ${goCode[line - 1].text}`);
          rows++;
        }
      }
    }
    const [same] = transfer(DEFAULTS).designs;
    const sent = (await same.show("0")).frames.map(({ goLine }) => same.goCode[goLine - 1].text);
    ok(sent.some((line) => /debit\.Call/.test(line)) && sent.some((line) => /credit\.Call/.test(line)));
    return `${rows} rows`;
  },

  async "does so for presses of a real mouse and keyboard, too"({ open, programs }) {
    const design = designsOf(programs)[0];
    const { page, close } = await open("#worker/first/0/12");
    await at(page, "0", 12);
    await page.click('[data-control="sigterm"]');
    await at(page, "0!c12");
    deepEqual((await shown(page)).lost, (await inNode(programs, design, "0!c12")).lost);
    await page.click('.mark[data-k="3"]');
    await at(page, "0!c3", 4);
    equal((await shown(page)).lost, "");
    await page.keyboard.press("Home");
    await page.click('[data-control="plain"]');
    await at(page, "0", 3);
    await page.keyboard.press("s");
    await at(page, "0!c3");
    await close();
  },

  async "balances the account, lights one line, and goes back to the same picture at every frame"({ open, programs }) {
    let frames = 0;
    for (const { story, id } of designsOf(programs)) {
      const { page, close } = await open(`#${story}/${id}/0!c8/1`);
      await at(page, "0!c8", 1);
      const { steps, wrong } = await page.evaluate(thereAndBack);
      deepEqual(wrong, [], id);
      frames += steps;
      await close();
    }
    return `${frames} frames`;
  },

  async "finds a line for every row of every recording that a task of the program makes"({ programs }) {
    const { worker, Lines, DEFAULTS } = programs;
    let rows = 0;
    for (const design of worker(DEFAULTS).designs) {
      const { recording } = await design.show("0");
      for (let k = 0; k <= recording.points; k++) {
        const { frames } = await design.show(k === 0 ? "0" : `0!c${k}`);
        const lines = new Lines(design.code);
        for (const row of frames.flatMap((frame) => frame.rows)) {
          const line = lines.of(row);
          const isOwn = design.code.some(({ text }) => text.includes(`function ${row.task}(`));
          if (!isOwn) continue;
          ok(line >= 1 && line <= design.code.length, `${design.id} ${k}: ${row.task} ${row.event}`);
          rows++;
        }
        for (const frame of frames) ok(frame.line >= 1 && frame.line <= design.code.length);
      }
    }
    return `${rows} rows`;
  },

  async "takes a second signal only where the program does, and changes designs at the same time"({ open, programs }) {
    const { page, close } = await open("#worker/worker/0!c20/21");
    await at(page, "0!c20", 21);
    await page.keyboard.press("ArrowRight");
    await page.click('[data-control="sigterm"]');
    await at(page, "0!c20!a22");
    await page.keyboard.press("Home");
    const node = await inNode(programs, { story: "worker", scenario: programs.workers[2] }, "0!c20!a22");
    const page1 = await shown(page);
    deepEqual([page1.lost, page1.acked], [node.lost, node.acked]);
    await page.keyboard.press("[");
    await page.waitForFunction(
      () =>
        /^0!c\d+$/.test(document.querySelector("article.stop")?.dataset.replay ?? "") &&
        document.querySelector("article.stop").dataset.design === "repair",
    );
    ok(await page.isDisabled('[data-control="sigterm"]'));
    await close();
  },
};
export default tests;
