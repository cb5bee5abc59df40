/**
 * The trace of a bubble: its rows, and the four ways to show them. None says anything that differs between
 * platforms, so they are compared to the letter.
 */
import { Chan, context, errgroup, go, select, sending, sync, time } from "headgate";
import { type Bubble, bubble, explore, ScheduleError, Trace, type TraceRow } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { failureOf } from "../support/errors.ts";

/** The trace of a bubble at its end. */
async function traceOf(fn: (t: Bubble) => Promise<void> | void): Promise<Trace> {
  let trace: Trace | undefined;
  await bubble(async (t) => {
    try {
      await fn(t);
    } finally {
      trace = t.trace();
    }
  }).catch(() => {});
  return trace!;
}

/** What has happened to `value` on its way into a trace. */
async function textOf(value: unknown): Promise<string> {
  const { rows } = await traceOf((t) => t.name(new Chan<unknown>(1), "ch").send(value));
  return rows.find((row) => row.event === "send")!.detail;
}

/** A deadline comes while the consumer handles the second of two jobs. */
async function scenario(t: Bubble): Promise<void> {
  const jobs = t.name(new Chan<string>(1), "jobs");
  const [ctx, cancel] = context.withTimeout(t.ctx, 50);
  using _ = cancel;
  go(async function producer() {
    await jobs.send("a & b");
    await time.sleep(10.5);
    await jobs.send('<c: "d";>');
    jobs.close();
  });
  for (;;) {
    const got = await select({ job: jobs, done: ctx.done() });
    if (got.case === "done" || !got.ok) return;
    await time.sleep(20, ctx);
    if (got.value !== "a & b") await new Chan().recv(ctx).catch(() => {});
  }
}

describe("one scenario", () => {
  it("as text", async () => {
    expect(`\n${String(await traceOf(scenario))}\n`).toMatchInlineSnapshot(`
      "
      step  time        main                                          producer                 ⏱
         1  +0ms        start
         1  +0ms        set deadline of ctx1 50ms
         1  +0ms        go producer
         1  +0ms        wait select job: jobs, done: ctx1.done()
         2  +0ms                                                      start
         2  +0ms                                                      send jobs "a & b"
         3  +0ms        resume select → job "a & b"                                                                   ⟵ 1 of 2
         3  +0ms        wait sleep 20
         4  +0ms                                                      resume send jobs
         4  +0ms                                                      wait sleep 10.5
         5  +10.5ms                                                                            fire sleep
         6  +10.5ms                                                   resume sleep
         6  +10.5ms                                                   send jobs "<c: \\"d\\";>"
         7  +10.5ms                                                   resume send jobs
         7  +10.5ms                                                   close jobs
         7  +10.5ms                                                   end
         8  +20ms                                                                              fire sleep
         9  +20ms       resume sleep
         9  +20ms       select job: jobs, done: ctx1.done() → job "…
        10  +20ms       resume select → job "<c: \\"d\\";>"
        10  +20ms       wait sleep 20
        11  +40ms                                                                              fire sleep
        12  +40ms       resume sleep
        12  +40ms       wait recv ch2
        13  +50ms                                                                              fire deadline of ctx1
        13  +50ms                                                                              cancel ctx1
        14  +50ms       fail recv ch2 context deadline exceeded
        14  +50ms       select job: jobs, done: ctx1.done() → job c…                                                  ⟵ 1 of 2
        15  +50ms       resume select → job closed
      "
    `);
  });

  it("as a mermaid diagram", async () => {
    expect(`\n${(await traceOf(scenario)).toMermaid()}\n`).toMatchInlineSnapshot(`
      "
      sequenceDiagram
        participant p1 as main
        participant p2 as producer
        participant p3 as ⏱
        participant p4 as deadline of ctx1
        participant p5 as jobs
        participant p6 as ch2
        Note over p1: start
        p1->>p4: set deadline of ctx1 50ms
        p1->>p2: go producer
        Note over p1: wait select job: jobs, done: ctx1.done()
        Note over p2: start
        p2->>p5: send jobs "a & b"
        Note over p1: resume select → job "a & b"
        Note over p1: wait sleep 20
        p5-->>p2: resume send jobs
        Note over p2: wait sleep 10.5
        Note over p3: fire sleep
        Note over p2: resume sleep
        p2->>p5: send jobs "#60;c: \\"d\\"#59;#62;"
        p5-->>p2: resume send jobs
        p2->>p5: close jobs
        Note over p2: end
        Note over p3: fire sleep
        Note over p1: resume sleep
        Note over p1: select job: jobs, done: ctx1.done() → job "#60;c: \\"d\\"#59;#62;"
        Note over p1: resume select → job "#60;c: \\"d\\"#59;#62;"
        Note over p1: wait sleep 20
        Note over p3: fire sleep
        Note over p1: resume sleep
        p1->>p6: wait recv ch2
        Note over p3: fire deadline of ctx1
        Note over p3: cancel ctx1
        p6-->>p1: fail recv ch2 context deadline exceeded
        Note over p1: select job: jobs, done: ctx1.done() → job closed
        Note over p1: resume select → job closed
      "
    `);
  });

  it("as a picture", async () => {
    expect((await traceOf(scenario)).toSVG()).toMatchSnapshot();
  });

  it("as data, from which the same trace can be made again", async () => {
    const trace = await traceOf(scenario);
    const data = JSON.stringify(trace);
    expect(JSON.parse(data)).toEqual(trace.rows);
    expect(trace.rows.map((row) => JSON.stringify(row))).toMatchSnapshot();
    const copy = new Trace(JSON.parse(data) as TraceRow[]);
    expect([String(copy), copy.toMermaid(), copy.toSVG()]).toEqual([String(trace), trace.toMermaid(), trace.toSVG()]);
  });

  it("says the same each time, and nothing of files or of real time", async () => {
    const [one, two] = [await traceOf(scenario), await traceOf(scenario)];
    expect(two).toEqual(one);
    const all = [String(one), one.toMermaid(), one.toSVG(), JSON.stringify(one)].join();
    expect(all).not.toMatch(/\.ts|file:|node:|:\d+:\d+/);
    expect(all).not.toContain(process.cwd());
  });
});

describe("under explore", () => {
  it("is empty while schedules are searched, and whole in the error of the one that failed", async () => {
    const lengths = new Set<number>();
    const error = await failureOf(
      explore(async (t) => {
        go(() => t.yield());
        await t.yield();
        lengths.add(t.trace().rows.length);
        if (t.ctx.err() !== undefined) throw new Error("cancelled");
      }),
      ScheduleError,
    );
    expect([...lengths]).toEqual([0, error.trace.rows.length - 2]);
    expect(error.trace.rows).toContainEqual(
      expect.objectContaining({ task: "⚡", event: "cancel", object: "t.ctx", choices: 1 }),
    );
  });

  it("tells among how many each step was picked, in the timeline too", async () => {
    const trace = await traceOf(async (t) => {
      for (let i = 0; i < 3; i++) go(() => {});
      await t.wait();
    });
    expect(trace.rows.filter((row) => row.event === "start").map((row) => row.choices)).toEqual([1, 3, 2, 1]);
    expect(String(trace).match(/⟵ 1 of \d/g)).toEqual(["⟵ 1 of 3", "⟵ 1 of 2"]);
  });
});

describe("what the rows say", () => {
  const eventsOf = async (fn: (t: Bubble) => Promise<void> | void): Promise<string[]> =>
    (await traceOf(fn)).rows.map(({ task, event, object, detail }) => [task, event, object, detail].join("|"));

  it("an operation that is done at once: its value, and that it came back in a step of its own", async () => {
    const events = await eventsOf(async () => {
      const ch = new Chan<number>(1);
      await ch.send(7);
      await ch.recv();
      ch.close();
      await ch.recv();
    });
    expect(events).toEqual([
      "main|start||",
      "main|send|ch1|7",
      "main|resume send|ch1|",
      "main|recv|ch1|7",
      "main|resume recv|ch1|7",
      "main|close|ch1|",
      "main|recv|ch1|closed",
      "main|resume recv|ch1|closed",
    ]);
  });

  it("an operation that waits, and how it ended", async () => {
    const events = await eventsOf(async (t) => {
      const [ctx, cancel] = context.withTimeout(t.ctx, 5);
      using _ = cancel;
      await new Chan().send("v", ctx).catch(() => {});
    });
    expect(events).toContain('main|wait send|ch1|"v"');
    expect(events.find((event) => event.startsWith("⏱"))).toContain("deadline of ctx1");
    expect(events.at(-1)).toMatch(/^main\|fail send\|ch1\|.*context deadline exceeded$/);
  });

  it("a cancel, with its cause, by whoever did it", async () => {
    const events = await eventsOf(async (t) => {
      const [ctx, cancel] = context.withCancelCause(t.ctx);
      go(function canceller() {
        cancel(new Error("enough"));
      });
      await ctx.done().recv();
    });
    expect(events).toContain("canceller|cancel|ctx1|Error: enough");
    expect(events.at(-1)).toBe("main|resume recv|ctx1.done()|closed");
  });

  it("a select: its cases when it waits, the one that won when it goes on", async () => {
    const events = await eventsOf(async (t) => {
      const [a, b] = [t.name(new Chan<number>(), "a"), t.name(new Chan<number>(), "b")];
      go(async function giver() {
        await a.send(5);
      });
      await select({ in: a, out: sending(b, 6), never: null });
    });
    expect(events).toContain("main|wait select|in: a, out: b ← 6, never: nil|");
    expect(events.at(-1)).toBe("main|resume select||→ in 5");
  });

  it("the step that made each one possible, if a step did", async () => {
    const { rows } = await traceOf(async (t) => {
      const ch = t.name(new Chan<number>(), "ch");
      go(async function giver() {
        await time.sleep(5);
        await ch.send(1);
      });
      await ch.recv();
      await t.external(new Promise<void>((resolve) => setImmediate(resolve)));
    });
    const firsts = rows.filter((row, i) => row.step !== rows[i - 1]?.step);
    expect(firsts.map(({ step, task, event, by }) => [step, `${task} ${event}`, by])).toEqual([
      [1, "main start", undefined],
      [2, "giver start", 1],
      [3, "⏱ fire", undefined],
      [4, "giver resume sleep", 3],
      [5, "main resume recv", 4],
      [6, "giver resume send", 4],
      [7, "main resume external", undefined],
    ]);
    expect(rows.filter((row) => "by" in row && !firsts.includes(row))).toEqual([]);
  });

  it("every kind of thing by its own name, numbered in the order of their making", async () => {
    const events = await eventsOf(async (t) => {
      const wg = new sync.WaitGroup();
      const mu = new sync.Mutex();
      await mu.lock();
      mu.unlock();
      await wg.wait();
      const [group, ctx] = errgroup.withContext(t.ctx);
      await group.wait();
      await new sync.Mutex().lock();
      await time.after(3).recv();
      await ctx.done().recv();
    });
    const objects = new Set(events.map((event) => event.split("|")[2]!));
    const made = ["mu1", "wg1", "group1", "ctx1", "mu2", "timer1", "ctx1.done()"];
    expect(made.filter((name) => !objects.has(name))).toEqual([]);
  });

  it("a thing that was made outside of the bubble: still by its kind, not by its insides", async () => {
    const ch = new Chan<number>(1);
    const [, sent] = (await traceOf(() => ch.send(1))).rows;
    expect(sent).toMatchObject({ event: "send", detail: "1" });
    expect(sent!.object).not.toContain("capacity");
  });

  it.each<[unknown, string]>([
    [7, "7"],
    [-0.5, "-0.5"],
    ["text", '"text"'],
    [{ id: "m1", n: [1, 2] }, '{"id":"m1","n":[1,2]}'],
    [null, "null"],
    [true, "true"],
    [10n, "10"],
    [Symbol("s"), "Symbol(s)"],
    [function handler() {}, "handler()"],
    [new TypeError("bad"), "TypeError: bad"],
    [NaN, "NaN"],
    [Infinity, "Infinity"],
    [circular(), "[object Object]"],
    ["x".repeat(100), `"${"x".repeat(38)}…`],
  ])("the value %o in a few characters", async (value, text) => {
    expect(await textOf(value)).toBe(text);
  });

  it("another thing by its name, where it is the value", async () => {
    const { rows } = await traceOf(async (t) => {
      const reply = t.name(new Chan<number>(), "reply");
      await new Chan<Chan<number>>(1).send(reply);
    });
    expect(rows[1]).toMatchObject({ event: "send", object: "ch2", detail: "reply" });
  });

  it("time to a thousandth of a millisecond", async () => {
    const { rows } = await traceOf((t) => t.sleep(0.1 + 0.2).then(() => t.sleep(1 / 3)));
    expect(rows.at(-1)!.time).toBe(0.633);
  });
});

describe("a picture", () => {
  const svgOf = async (): Promise<string> => (await traceOf(scenario)).toSVG();

  /** The colours of a theme, by their names. */
  function themeOf(svg: string, isDark: boolean): Map<string, string> {
    const themes = svg.match(/\.headgate-trace\{--paper[^}]*\}/g)!;
    expect(themes).toHaveLength(2);
    expect(svg).toContain(`@media (prefers-color-scheme:dark){${themes[1]}}`);
    const pairs = themes[isDark ? 1 : 0]!.matchAll(/--(\w+):var\(--headgate-(\w+),(#[0-9a-f]{6})\)/g);
    return new Map(
      [...pairs].map(([, name, own, colour]) => {
        expect(own).toBe(name);
        return [name!, colour!];
      }),
    );
  }

  /** The contrast of two colours, as WCAG 2 has it. */
  function contrast(...colours: string[]): number {
    const [a, b] = colours.map((colour) => {
      const [r, g, b] = [1, 3, 5].map((i) => {
        const part = parseInt(colour.slice(i, i + 2), 16) / 255;
        return part <= 0.040_45 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
    });
    return (Math.max(a!, b!) + 0.05) / (Math.min(a!, b!) + 0.05);
  }

  it.each([
    ["light", false],
    ["dark", true],
  ])("has a %s theme, in which each text has a contrast of 4.5 or more", async (_, isDark) => {
    const colours = themeOf(await svgOf(), isDark);
    expect([...colours.keys()]).toEqual(["paper", "text", "quiet", "line", "act", "wait", "resume", "fail"]);
    for (const [name, colour] of colours) {
      if (name !== "paper" && name !== "line")
        expect(contrast(colour, colours.get("paper")!)).toBeGreaterThanOrEqual(4.5);
    }
    expect(contrast("#ffffff", colours.get("paper")!) < 2).toBe(!isDark);
  });

  it("has no colour but those, and paper for what knows no variables", async () => {
    const svg = await svgOf();
    const [, body] = svg.split("</style>");
    expect(body!.match(/(fill|stroke|color)="[^"]*"/g)).toEqual(expect.arrayContaining(['fill="#fff"', 'fill="none"']));
    expect(new Set(body!.match(/(fill|stroke|color)="[^"]*"/g))).toEqual(new Set(['fill="#fff"', 'fill="none"']));
    expect(body).toMatch(/<rect class="paper" width="\d+" height="\d+" fill="#fff"\/>/);
  });

  it("changes nothing of the page that it is in: each rule is for the picture alone", async () => {
    const [, style] = /<style>\n([^]*)\n<\/style>/.exec(await svgOf())!;
    const rules = style!.replace(/@media \([^)]*\)/, "").match(/[^{}\n]+(?=\{)/g)!;
    expect(rules.length).toBeGreaterThan(10);
    for (const rule of rules) expect(rule.trim()).toMatch(/^\.headgate-trace\b/);
  });

  it("has a mark of its own for each kind of event, so that no colour is needed", () => {
    const marks = ["send", "wait send", "resume send", "fail send"].map((event) => {
      const svg = new Trace([row({ event })]).toSVG();
      const [, kind, mark] = /<g class="(act|wait|resume|fail)">(<(?:circle|path) [^>]*>)/.exec(svg)!;
      return [kind, mark];
    });
    expect(marks.map(([kind]) => kind)).toEqual(["act", "wait", "resume", "fail"]);
    expect(new Set(marks.map(([, mark]) => mark)).size).toBe(4);
    for (const event of ["throw", "cancel", "refuse send"])
      expect(new Trace([row({ event })]).toSVG()).toContain('<g class="fail">');
  });

  it("has the number of each step once, and its time", () => {
    const svg = new Trace([row({}), row({ event: "send" }), row({ step: 2, time: 7.5 })]).toSVG();
    const heads = [...svg.matchAll(/<g class="quiet"><text [^>]*>(\d+)<\/text><text [^>]*>([^<]*)<\/text>/g)];
    expect(heads.map(([, step, time]) => [step, time])).toEqual([
      ["1", "+0ms"],
      ["2", "+7.5ms"],
    ]);
  });

  it("says among how many a step was picked, and on hovering among which, and what was cut off", () => {
    const picked = row({ object: "b".repeat(100), choices: 2, among: ["one", "two"], pick: 1 });
    const svg = new Trace([picked]).toSVG();
    expect(svg).toMatch(/>start b{16}… ⟵ 1 of 2<\/text>/);
    expect(svg).toContain(`<title>start ${"b".repeat(100)}; among one, two</title>`);
  });

  it("says what the clock and the canceller are", () => {
    const svg = new Trace(["⏱", "⚡"].map((task) => row({ task }))).toSVG();
    expect(svg.match(/class="task"[^>]*>[^<]*/g)!.map((text) => text.split(">")[1])).toEqual([
      "⏱ clock",
      "⚡ from outside",
    ]);
  });
});

function circular(): object {
  const object: { self?: object } = {};
  object.self = object;
  return object;
}

function row(part: Partial<TraceRow>): TraceRow {
  return { step: 1, time: 0, task: "main", event: "start", object: "", detail: "", choices: 1, ...part };
}

describe("what is shown", () => {
  it("of nothing: a head, a diagram and a picture without anything in them", () => {
    const trace = new Trace([]);
    expect(String(trace)).toBe("step  time");
    expect(trace.toMermaid()).toBe("sequenceDiagram");
    expect(trace.toSVG()).toContain("<title>an empty trace</title>");
    expect(trace.toSVG()).not.toMatch(/<(text|line|circle|path|g)\b/);
    expect(JSON.stringify(trace)).toBe("[]");
  });

  it("in columns while they fit a page, else with the name of the task in each row", () => {
    const rows = Array.from({ length: 8 }, (_, i) =>
      row({ task: `task${i + 1}`, event: "recv", object: "a".repeat(16) }),
    );
    const [head, first] = String(new Trace(rows.slice(0, 4))).split("\n");
    expect(head).toMatch(/^step {2}time +task1 +task2 +task3 +task4$/);
    expect(first).toMatch(/^ {3}1 {2}\+0ms +recv a{16}$/);
    const lines = String(new Trace(rows)).split("\n");
    expect(lines[0]).toMatch(/^step {2}time +task$/);
    expect(lines[8]).toMatch(/^ {3}1 {2}\+0ms +task8 {2}recv a{16}$/);
  });

  it("of a long row in a column and in a picture is its beginning", () => {
    const trace = new Trace([row({ event: "recv", object: "b".repeat(100) })]);
    expect(String(trace)).toContain(`recv ${"b".repeat(38)}…`);
    expect(trace.toSVG()).toContain(`recv ${"b".repeat(26)}…`);
    expect(trace.toMermaid()).toContain("b".repeat(100));
  });

  it("with the clock and the canceller last, whoever came first", () => {
    const trace = new Trace(["⚡", "⏱", "main"].map((task) => row({ task })));
    expect(String(trace).split("\n")[0]).toMatch(/main +⏱ +⚡$/);
    expect(trace.toMermaid()).toMatch(/p1 as main\n {2}participant p2 as ⏱\n {2}participant p3 as ⚡/);
  });

  it("of a hundred thousand rows, too", () => {
    const trace = new Trace(Array.from({ length: 100_000 }, (_, i) => row({ step: i })));
    expect(String(trace).split("\n")).toHaveLength(100_001);
    expect(trace.toMermaid().split("\n")).toHaveLength(100_002);
    expect(trace.toSVG().match(/<g class="act">/g)).toHaveLength(100_000);
  });

  it("with what is syntax to mermaid and to XML written as numbers", () => {
    const trace = new Trace([row({ task: "a;b", event: "send", object: "<c>", detail: "#1" })]);
    expect(trace.toMermaid().split("\n").slice(1)).toEqual([
      "  participant p1 as a#59;b",
      "  participant p2 as #60;c#62;",
      "  p1->>p2: send #60;c#62; #35;1",
    ]);
    expect(new Trace([row({ object: '"x" & <y>' })]).toSVG()).toContain("start &#34;x&#34; &#38; &#60;y&#62;");
  });

  it("in one line each, also of an error whose message has several, or colours", async () => {
    const trace = await traceOf(async (t) => {
      await new Chan<unknown>(1).send(new Error("expected:\n\n\u001b[31m1\u001b[39m\nto be 2"));
      await t.name(new Chan(1), "two\nlines").send(1);
    });
    const rows = trace.rows.length;
    expect(String(trace).split("\n")).toHaveLength(1 + rows);
    const diagram = trace.toMermaid().split("\n");
    expect(diagram.filter((line) => !/^sequenceDiagram$|^ {2}(participant|Note over|p\d+-)/.test(line))).toEqual([]);
    // oxlint-disable-next-line no-control-regex
    expect(trace.toSVG()).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });
});
