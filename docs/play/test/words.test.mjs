/**
 * View 1 in its words: what is said fits what happens, each word of the story is said somewhere, and the page plays as it says.
 */
import { deepEqual, equal, ok } from "node:assert/strict";

/** What a story is varied by, and replay strings beside a stop at each point. */
const WORKER = [
  { messages: 3, fails: "none" },
  { messages: 1, fails: "none" },
  { messages: 2, fails: "pull" },
  { messages: 3, fails: "handle" },
  { messages: 4, fails: "ack" },
];
const TRANSFER = ["none", "declined", "unanswered"].map((fails) => ({ messages: 3, fails }));

/** Each schedule of a story: the plain order, a stop at each point, and a second signal after some stops. */
async function* schedulesOf(make, settings) {
  for (const setting of settings) {
    for (const design of make(setting).designs) {
      const { points } = (await design.show("0")).recording;
      for (let k = 0; k <= points; k++) {
        const replay = k === 0 ? "0" : `0!c${k}`;
        yield { setting, design, replay, k, points, show: await design.show(replay) };
        if (design.id === "worker" && k === 20) {
          yield { setting, design, replay: `${replay}!a22`, k, points, show: await design.show(`${replay}!a22`) };
        }
      }
    }
  }
}

/** Replaces each word of a tree by a getter that notes its path; returns the paths of all, and of those that were read. */
function watched(tree, path, all = new Set(), read = new Set()) {
  for (const [key, value] of Object.entries(tree)) {
    const at = `${path}.${key}`;
    if (typeof value === "object") watched(value, at, all, read);
    else {
      all.add(at);
      const get =
        typeof value === "function"
          ? () =>
              (...args) => (read.add(at), value(...args))
          : () => (read.add(at), value);
      Object.defineProperty(tree, key, { get, enumerable: true });
    }
  }
  return { all, read };
}

/** All that a reader may see of the page now, names for a screen reader included. */
const wordsOf = (page) =>
  page.evaluate(() =>
    [
      document.body.innerText,
      ...[...document.querySelectorAll("*")].flatMap((one) =>
        ["aria-label", "title", "data-losing"].map((name) => one.getAttribute(name) ?? ""),
      ),
      ...[...document.querySelectorAll("option")].map((one) => one.textContent),
    ].join("\n"),
  );

export default {
  async "says each word of the two stories in some schedule"({ programs }) {
    const { text, worker, transfer } = programs;
    const { all, read } = watched({ worker: text.worker, transfer: text.transfer }, "text");
    for await (const { show } of schedulesOf(worker, WORKER)) ok(show.frames.length > 0);
    for await (const { show } of schedulesOf(transfer, TRANSFER)) ok(show.frames.length > 0);
    // Orders that are not the plain one: a handle that waits, an ack that is not sent, a second signal at once.
    const [first, , last] = worker({ messages: 3, fails: "none" }).designs;
    await first.show("1");
    ok(/before its ack was sent/.test((await first.show("0.0.1.1.0.0.2.1.1.2!c20")).outcome));
    await last.show("0!c16!a17");
    await last.show("0!c16!a19");
    await last.show("0!c16!a22");
    // What only the page says: the titles of the view, and those of the choices.
    const isOfPage = (path) => /\.(title|about|hint|takeaway|loses|id)$|\.states\.\w+$|\.why\.title$/.test(path);
    const unsaid = [...all].filter((path) => !read.has(path) && !isOfPage(path));
    deepEqual(unsaid, []);
    return `${all.size} words`;
  },

  async "ends in a sentence that fits the stations, in each schedule"({ programs }) {
    const { worker, DEFAULTS } = programs;
    let count = 0;
    for await (const { design, setting, replay, show } of schedulesOf(worker, WORKER)) {
      const where = `${design.id} ${JSON.stringify(setting)} ${replay}`;
      const last = show.frames.at(-1);
      const next = last.tokens.filter(({ station }) => station === "next").map(({ id }) => id);
      for (const id of next) ok(last.sentence.includes(id), `${where}: ${last.sentence}`);
      equal(/Nothing is left/.test(last.sentence), next.length === 0, `${where}: ${last.sentence}`);
      equal(last.phase, "ended", where);
      equal(new Set(show.frames.map(({ phase }) => phase)).has("running"), true, where);
      // It is ended from the step on at which the program has returned, and never again anything else.
      const ended = show.frames.findIndex(({ rows }) =>
        rows.some(({ event, detail }) => event === "wait sleep" && detail === "2000"),
      );
      ok(ended > 0, where);
      for (const [i, { phase }] of show.frames.entries())
        equal(phase === "ended", i >= ended, `${where}: step ${i + 1}`);
      ok(show.frames[ended].sentence.startsWith("The worker has ended."), where);
      // No row of the trace, and no name that the code does not have.
      for (const { sentence } of show.frames) {
        ok(
          !/\b(ctx|ch|wg|group|timer)\d|wire|undefined|\{|\b(of|over|on|has) it\b/.test(sentence),
          `${where}: ${sentence}`,
        );
      }
      ok(!/undefined|\{/.test(show.outcome), show.outcome);
      count++;
    }
    ok(count > 500 && DEFAULTS.messages === 3);
    return `${count} schedules`;
  },

  async "says of what the next worker gets how it came to it"({ programs }) {
    const { worker } = programs;
    for await (const { design, setting, replay, show } of schedulesOf(worker, WORKER)) {
      const where = `${design.id} ${JSON.stringify(setting)} ${replay}`;
      const rows = show.frames.map(({ sentence }) => sentence).join(" ");
      for (const { id, station, state } of show.frames.at(-1).tokens) {
        if (station !== "next") continue;
        const wasPulled = rows.includes(`hands over ${id}.`);
        const wasReturned = rows.includes(`${id} is given back.`);
        const wasHandled = rows.includes(`${id} is handled.`);
        const wanted = wasHandled ? "lost" : !wasPulled ? "first" : wasReturned ? "returned" : "again";
        equal(state, wanted, `${where}: ${id}`);
      }
    }
  },

  async "names the context and lights the line that ends it, and keeps the line that loses"({ programs }) {
    const { worker, DEFAULTS } = programs;
    const [first] = worker(DEFAULTS).designs;
    const { frames, why, losing, outcome } = await first.show("0!c20");
    const line = (frame) => first.code[frame.line - 1].text.trim();
    const of = (context) => frames.find(({ sentence }) => sentence.includes(`ends ${context}`));
    equal(line(of("handleCtx")), "pullDone();");
    equal(line(of("ackCtx")), "handleDone();");
    ok(/broker\.ack\(ackCtx/.test(first.code[losing.line - 1].text));
    ok(/broker\.Ack\(ackCtx/.test(first.goCode[losing.goLine - 1].text));
    ok(/under way when ackCtx ended/.test(outcome), outcome);
    deepEqual(
      why.map(({ text }) => text),
      ["handle ends ackCtx. It means “no more is coming”.", "ack hears “stop”.", "The ack of m2 is cut off."],
    );
    // Each loss that is no failed ack has its three beats, in order, and a line that waits.
    for await (const { design, setting, replay, show } of schedulesOf(worker, WORKER)) {
      const where = `${design.id} ${JSON.stringify(setting)} ${replay}`;
      equal(show.losing !== undefined, show.lost.length > 0, where);
      if (show.losing === undefined) continue;
      ok(/await (broker\.ack|result\.send)/.test(design.code[show.losing.line - 1].text), where);
      const steps = show.why.map(({ step }) => step);
      if (!/has failed/.test(show.outcome)) equal(steps.length, 3, where);
      deepEqual(
        steps,
        steps.toSorted((a, b) => a - b),
        where,
      );
    }
  },

  async "pauses where it asks for the stop, with motion, and goes past it when it is asked to"({ open }) {
    const { page, errors, close } = await open("");
    await page.waitForSelector('article.stop[data-step="1"]');
    await page.evaluate(() => {
      const speed = document.querySelector(".speed input");
      speed.value = "3";
      speed.dispatchEvent(new Event("input", { bubbles: true }));
    });
    const playing = (label) => page.waitForSelector(`[data-control="play"][aria-label="${label}"]`);
    await page.waitForSelector('article.stop[data-step="21"]');
    await playing("Play");
    ok(/about to be replaced by a deployment/.test(await page.textContent(".outcome")));
    // It stays there: a player that went on would have moved the step in the time of several frames.
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 1_500)));
    equal(await page.getAttribute("article.stop", "data-step"), "21");
    await page.keyboard.press("Space");
    await page.waitForSelector('article.stop[data-step="40"]');
    await playing("Play");
    ok(/Nothing is left/.test(await page.textContent('[data-control="sentence"]')));
    equal(await page.textContent(".phase"), "ended");
    deepEqual(errors, []);
    await close();
  },

  async "shows each fixed word of the view"({ open, programs }) {
    const { page, close } = await open("#worker/first/0/1", { reducedMotion: "reduce" });
    const seen = [];
    for (const hash of [
      "#worker/first/0!c20/29",
      "#worker/worker/0/21",
      "#transfer/saga/0!c4/9",
      "#worker/repair/0/3/go",
    ]) {
      await page.evaluate((hash) => (location.hash = hash), hash);
      const [story, design, replay, step] = hash.slice(1).split("/");
      await page.waitForSelector(
        `article[data-story="${story}"][data-design="${design}"][data-replay="${replay}"][data-step="${step}"]`,
      );
      await page.waitForFunction(() => {
        const { points, recorded } = document.querySelector("article.stop").dataset;
        return points !== "0" && points === recorded;
      });
      seen.push(await wordsOf(page));
    }
    const all = seen.join("\n");
    const fixed = (tree) =>
      Object.entries(tree).flatMap(([key, value]) =>
        key === "id" ? [] : typeof value === "string" ? [value] : typeof value === "object" ? fixed(value) : [],
      );
    const { stop } = programs.text;
    const unseen = fixed(stop).filter((word) => !all.includes(word));
    // Those of the Go of other designs.
    deepEqual(
      unseen.filter((word) => !/slides? \d+/.test(word) && !/about to be replaced|Stop it at any/.test(word)),
      [],
    );
    ok(/26 of 40 moments to stop lose a message/.test(all), "the strip says what is counted");
    ok(/, after the end/.test(all), "the strip says which moments are after the end");
    ok(/stopped at \+20 ms/.test(all));
    await close();
  },

  async "keeps the focus when a button goes off or away"({ open }) {
    const { page, close } = await open("#worker/first/0/20", { reducedMotion: "reduce" });
    await page.waitForSelector('article.stop[data-step="20"]');
    const focused = () =>
      page.evaluate(() => document.activeElement?.dataset.control ?? document.activeElement?.tagName);
    await page.focus('[data-control="sigterm"]');
    await page.keyboard.press("Enter");
    await page.waitForSelector('article.stop[data-replay="0!c20"]');
    equal(await focused(), "sigterm");
    equal(await page.getAttribute('[data-control="sigterm"]', "aria-disabled"), "true");
    await page.focus('[data-control="plain"]');
    await page.keyboard.press("Enter");
    await page.waitForSelector('article.stop[data-replay="0"]');
    equal(await focused(), "sigterm");
    await page.focus('[data-control="step"]');
    await page.evaluate(() => window.press("End"));
    await page.waitForSelector('article.stop[data-step="40"]');
    equal(await focused(), "step");
    await close();
  },

  async "leads Back to the design and the stop before, and keeps the moment of a stop from design to design"({ open }) {
    const { page, close } = await open("#worker/first/0/20", { reducedMotion: "reduce" });
    await page.waitForSelector('article.stop[data-step="20"]');
    const at = (hash) => page.waitForFunction((hash) => location.hash.startsWith(hash), hash);
    await page.keyboard.press("s");
    await at("#worker/first/0!c20/");
    await page.keyboard.press("]");
    await at("#worker/repair/0!c");
    await page.keyboard.press("]");
    await at("#worker/worker/0!c");
    ok(/stopped at \+20 ms/.test(await page.textContent(".where")));
    await page.keyboard.press("[");
    await page.keyboard.press("[");
    // The same moment as before, not another one of the same time.
    await at("#worker/first/0!c20/");
    await page.keyboard.press("2");
    await at("#contexts");
    await page.goBack();
    await at("#worker/first/0!c20/");
    await page.waitForSelector('article.stop[data-design="first"][data-replay="0!c20"]');
    await close();
    const other = await open("#worker/first/0/20", { reducedMotion: "reduce" });
    await other.page.waitForSelector('article.stop[data-step="20"]');
    await other.page.keyboard.press("s");
    await other.page.waitForFunction(() => location.hash.startsWith("#worker/first/0!c20/"));
    await other.page.goBack();
    await other.page.waitForSelector('article.stop[data-replay="0"][data-step="20"]');
    await other.close();
  },

  async "keeps the stop and its outcome in sight on screens of 1280 by 800 and of 360 by 740 px"({ open }) {
    for (const [width, height] of [
      [1280, 800],
      [360, 740],
    ]) {
      const { page, close } = await open("#worker/first/0!c20/28", {
        viewport: { width, height },
        reducedMotion: "reduce",
      });
      await page.waitForSelector("article.stop");
      for (const selector of ['[data-control="sigterm"]', ".outcome"]) {
        const { y, height: own } = await page.locator(selector).boundingBox();
        ok(y >= 0 && y + own <= height, `${selector} at ${width} px: ${y} to ${y + own}`);
      }
      const { height: dock } = await page.locator(".dock").boundingBox();
      ok(dock < height / 3.5, `the dock at ${width} px has ${dock} px`);
      await close();
    }
  },
};
