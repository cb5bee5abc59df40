/**
 * The demo and the first example, as processes of their own, in real time: what they print, and how they end.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Report } from "headgate/worker";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GatewayCount } from "../../docs/demo/gateway.ts";
import { type Options, parse, refuseWhatNpmKept, UsageError } from "../../docs/demo/options.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

interface End {
  code: number | null;
  out: string;
  errors: string;
}

/** A program that runs. It is killed if it has not ended after 15 s, and then has no exit code. */
class Program {
  readonly ended: Promise<End>;
  private readonly child: ChildProcess;
  private errors = "";
  private heard = (): void => {};

  constructor(args: readonly string[], input = "", extra: Readonly<Record<string, string>> = {}) {
    const { FORCE_COLOR: _, ...inherited } = process.env;
    const env = { ...inherited, ...extra };
    this.child = spawn(process.execPath, args, { cwd: root, timeout: 55_000, killSignal: "SIGKILL", env });
    let out = "";
    this.child.stdout!.setEncoding("utf8").on("data", (text: string) => (out += text));
    this.child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.errors += text;
      this.heard();
    });
    this.child.stdin!.on("error", () => {}).end(input);
    this.ended = new Promise((resolve) => {
      this.child.on("close", (code) => resolve({ code, out, errors: this.errors }));
    });
  }

  /** Waits until stderr says so, or the program has ended. */
  async says(text: string): Promise<void> {
    const said = new Promise<void>((resolve) => {
      this.heard = () => this.errors.includes(text) && resolve();
      this.heard();
    });
    await Promise.race([said, this.ended]);
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Reads no more of its stdout, as `head` does when it has enough. */
  hangUp(): void {
    this.child.stdout!.destroy();
  }
}

const compiled = join(root, ".build", "docs");
const demo = (args: string, input?: string, env?: Readonly<Record<string, string>>): Program =>
  new Program([join(compiled, "demo", "main.js"), ...args.split(" ")], input, env);

interface Account {
  report: Report & { cause?: string };
  gateway: GatewayCount;
}

/** The one JSON object that the demo prints with --json; its account must add up on both sides. */
function accountOf({ out }: End): Account {
  expect(out.endsWith("}\n")).toBe(true);
  const { report, gateway } = JSON.parse(out) as Account;
  const { pulled, acked, retried, released, dead, expired } = report;
  expect(acked + retried + released + dead + expired).toBe(pulled);
  expect(gateway.requests).toBe(report.started);
  expect(gateway.distinct).toBeLessThanOrEqual(gateway.accepted);
  return { report, gateway };
}

let help: End;

beforeAll(async () => {
  // This compiles everything; the others run what it has made.
  help = await new Program(["docs/run.mjs", "demo/main.ts", "--help"]).ended;
}, 60_000);

describe("the demo", () => {
  const folder = mkdtempSync(join(tmpdir(), "headgate-demo-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  it("with --help lists its options, and does nothing else", () => {
    expect(help.code).toBe(0);
    const options = ["messages", "in", "concurrency", "slow", "refuse", "hang", "timeout", "attempts", "grace"];
    for (const option of [...options, "stop-after", "json", "help", "broker", "queue", "idle"])
      expect(help.out).toContain(`\n  --${option} `);
    expect(help.errors).toBe("");
  });

  it("with --json prints one object, whose account adds up and agrees with what the gateway counted", async () => {
    const end = await demo("--json --messages 300 --slow 5 --refuse 0.2 --hang 0 --timeout 60000 --attempts 2").ended;
    expect(end.code).toBe(0);
    const { report, gateway } = accountOf(end);
    expect(report).toMatchObject({ stopped: "source ended", released: 0, expired: 0, abandoned: 0, leftovers: [] });
    expect(report.acked + report.dead).toBe(300);
    expect([gateway.accepted, gateway.distinct]).toEqual([report.acked, report.acked]);
    expect(gateway.refused).toBe(report.retried + report.dead);
    expect(gateway.refused).toBeGreaterThan(0);
    expect([gateway.hung, gateway.brokenOff]).toEqual([0, 0]);
  });

  it("prints both accounts side by side, and where every message went", async () => {
    const end = await demo("--messages 20 --refuse 1 --hang 0 --timeout 60000 --attempts 1").ended;
    expect(end.code).toBe(0);
    const lines = end.out.split("\n");
    expect(lines[0]).toMatch(/^stopped: source ended; /);
    const rows = lines.map((line) => line.trim().replaceAll(/\s+/g, " "));
    expect(rows).toEqual(
      expect.arrayContaining([
        "pulled 20 requests 20",
        "= acked 0 accepted 0",
        "+ released 0 refused (503) 20",
        "+ dead 20 left hanging 0",
      ]),
    );
    expect(rows).toContain("published 20 = acked 0 + dead 20 + still in the broker 0");
  });

  it("with --stop-after stops by itself, and drains", async () => {
    const end = await demo("--json --messages 100000 --slow 40 --refuse 0 --hang 0 --timeout 60000 --stop-after 400")
      .ended;
    expect(end.code).toBe(0);
    const { report, gateway } = accountOf(end);
    expect(report).toMatchObject({ stopped: "cancelled", cause: "Error: --stop-after", abandoned: 0, expired: 0 });
    expect(report.pulled).toBeLessThan(100_000);
    expect([gateway.accepted, gateway.brokenOff]).toEqual([report.acked, 0]);
  });

  it("that is done does not wait for its --stop-after", async () => {
    const end = await demo("--json --messages 3 --slow 1 --refuse 0 --hang 0 --timeout 60000 --stop-after 600000")
      .ended;
    expect(end.code).toBe(0);
    expect(accountOf(end).report).toMatchObject({ acked: 3, stopped: "source ended" });
  });

  it("drains at SIGTERM: what was begun is finished, what waits is given back", async () => {
    const program = demo("--json --messages 500 --concurrency 5 --slow 1500 --refuse 0 --hang 0 --timeout 60000");
    await program.says("5 running");
    program.signal("SIGTERM");
    const end = await program.ended;
    expect(end.code).toBe(0);
    const { report, gateway } = accountOf(end);
    expect(report).toMatchObject({ stopped: "cancelled", abandoned: 0, expired: 0, retried: 0, dead: 0 });
    expect(report.cause).toContain("SIGTERM signal received");
    expect([gateway.accepted, gateway.brokenOff]).toEqual([report.acked, 0]);
    expect(report.acked).toBe(report.started);
    expect(report.released).toBeGreaterThan(0);
  });

  it("aborts at the second signal: what was begun is broken off and given back, too", async () => {
    const program = demo("--messages 500 --concurrency 5 --hang 1 --timeout 600000 --grace 600000");
    await program.says("5 running");
    program.signal("SIGINT");
    await program.says("released");
    program.signal("SIGINT");
    const end = await program.ended;
    expect(end.code).toBe(0);
    expect(end.out).toMatch(/^stopped: aborted \(SIGINT signal received\); /);
    const rows = end.out.split("\n").map((line) => line.trim().replaceAll(/\s+/g, " "));
    expect(rows).toEqual(expect.arrayContaining(["pulled 10 requests 5", "+ released 10 refused (503) 0"]));
    expect(end.out).not.toContain("abandoned");
  });

  it("begins with what it does and what to press, and at a signal tells how many are in flight, and how long", async () => {
    const program = demo(
      "--messages 500 --concurrency 5 --slow 1500 --refuse 0 --hang 0 --timeout 600000 --grace 60000",
    );
    await program.says("5 running");
    program.signal("SIGINT");
    const { code, errors } = await program.ended;
    expect(code).toBe(0);
    const lines = errors.split("\n");
    expect(lines.slice(0, 2)).toEqual([
      "demo: a worker delivers 500 messages over HTTP to a gateway that is slow",
      "demo: Ctrl-C drains and accounts for every message; Ctrl-C again aborts",
    ]);
    // One may just have ended.
    expect(lines.filter((line) => line.startsWith("draining:"))).toEqual([
      expect.stringMatching(/^draining: [1-5] in flight, 60 s at most; Ctrl-C again to abort$/),
    ]);
    expect(errors).not.toContain("aborting");
  });

  it("at the second signal tells what is aborted, and what a third one does", async () => {
    const program = demo("--messages 500 --concurrency 5 --hang 1 --timeout 600000 --grace 600000");
    await program.says("5 running");
    program.signal("SIGINT");
    await program.says("draining: 5 in flight, 600 s at most; Ctrl-C again to abort\n");
    program.signal("SIGINT");
    const { errors } = await program.ended;
    const kills = "Ctrl-C again kills the process";
    expect(errors).toContain(`\naborting: 5 in flight are broken off, to go back to the broker; ${kills}\n`);
  });

  it("that stops by itself is aborted by the first signal, and says so before", async () => {
    const program = demo("--messages 500 --concurrency 5 --hang 1 --timeout 600000 --grace 600000 --stop-after 600");
    await program.says("draining: 5 in flight, 600 s at most; Ctrl-C to abort\n");
    program.signal("SIGINT");
    const { code, out, errors } = await program.ended;
    expect(code).toBe(0);
    expect(out).toMatch(/^stopped: aborted \(SIGINT signal received\); /);
    expect(errors).toContain("\naborting: 5 in flight are broken off, to go back to the broker\n");
  });

  it("tells that it aborts when the time to drain is over", async () => {
    const end = await demo("--messages 50 --concurrency 5 --hang 1 --timeout 600000 --grace 1 --stop-after 600").ended;
    expect(end.errors).toContain("\naborting, as the time to drain is over: 5 in flight are broken off, ");
  });

  it("has no colour where nobody could see it, and all of it with FORCE_COLOR", async () => {
    const quick = "--messages 20 --slow 1 --refuse 0 --hang 0 --timeout 60000";
    const plain = await demo(quick).ended;
    expect(plain.out + plain.errors).not.toContain("\x1b");
    const coloured = await demo(quick, "", { FORCE_COLOR: "1" }).ended;
    expect(coloured.out).toContain("\x1b[32m= acked               20\x1b[0m");
    const json = await demo(`${quick} --json`, "", { FORCE_COLOR: "1" }).ended;
    expect(accountOf(json).report.acked).toBe(20);
  });

  it("ends without a word when nobody reads any more what it prints", async () => {
    const program = demo("--messages 20 --slow 1 --refuse 0 --hang 0 --timeout 60000");
    program.hangUp();
    const { code, errors } = await program.ended;
    expect(code).toBe(0);
    expect(errors).not.toMatch(/EPIPE|^ +at /m);
  });

  it("publishes the JSON lines of a file, or of stdin", async () => {
    const file = join(folder, "good.jsonl");
    writeFileSync(file, '{"n":1}\r\n"two"\nnull\n[4]');
    const quiet = "--json --slow 1 --refuse 0 --hang 0 --timeout 60000";
    const input = Array.from({ length: 70 }, (_, n) => `{"n":${n}}\n`).join("");
    const ends = await Promise.all([
      demo(`${quiet} --in ${file}`).ended,
      demo(`${quiet} --in -`, input).ended,
      demo(`${quiet} --in -`).ended,
    ]);
    const acked = ends.map((end) => accountOf(end).report.acked);
    expect([ends.map(({ code }) => code), acked]).toEqual([
      [0, 0, 0],
      [4, 70, 0],
    ]);
  });

  it("ends with 2 and says what is wrong, without a stack, before anything is published", async () => {
    const file = join(folder, "bad.jsonl");
    writeFileSync(file, '{"n":1}\n{"n":2}\nnonsense\n{"n":4}\n');
    const [badLine, badInput, noFile, badOption, badBroker] = await Promise.all([
      demo(`--in ${file}`).ended,
      demo("--in -", "1\n2\n\n4\n").ended,
      demo(`--in ${join(folder, "none")}`).ended,
      demo("--concurrency many").ended,
      demo("--broker mysql://root:secret@localhost").ended,
    ]);
    expect(badLine.errors).toContain(`demo: --in ${file}, line 3: not JSON`);
    expect(badInput.errors).toContain("demo: --in -, line 3: not JSON");
    expect(noFile.errors).toContain(`demo: --in: cannot read ${join(folder, "none")}: ENOENT`);
    expect(badOption.errors).toContain('demo: --concurrency takes a whole number of 1 or more, not "many"');
    expect(badBroker.errors).toContain("demo: --broker takes redis://");
    expect(badBroker.errors).not.toContain("secret");
    for (const { code, out, errors } of [badLine, badInput, noFile, badOption, badBroker]) {
      expect([code, out]).toEqual([2, ""]);
      expect(errors).toContain("--help");
      expect(errors).not.toMatch(/^ +at /m);
    }
  });
});

describe("the options of the demo", () => {
  it("have the defaults that the help names", () => {
    const { bodies, ...rest } = parse([]) as Exclude<ReturnType<typeof parse>, "help">;
    expect(bodies).toHaveLength(5000);
    expect(bodies[4999]).toEqual({ greeting: "hello 5000" });
    expect(rest).toEqual({
      concurrency: 50,
      slow: 40,
      refuse: 0.02,
      hang: 0.002,
      timeout: 1000,
      attempts: 5,
      grace: 10_000,
      stopAfter: undefined,
      json: false,
      watch: false,
    });
    for (const value of Object.values(rest)) {
      if (typeof value === "number") expect(help.out.replaceAll(/\s+/g, " ")).toContain(` ${value} `);
    }
  });

  it("are read from the command line", () => {
    const args = "--messages 2 --concurrency 3 --slow 4.5 --refuse 1 --hang 0 --timeout 7 --attempts 8 --grace 9".split(
      " ",
    );
    expect(parse([...args, "--stop-after", "0", "--json"])).toEqual({
      bodies: [{ greeting: "hello 1" }, { greeting: "hello 2" }],
      concurrency: 3,
      slow: 4.5,
      refuse: 1,
      hang: 0,
      timeout: 7,
      attempts: 8,
      grace: 9,
      stopAfter: 0,
      json: true,
      watch: false,
    });
    expect(parse(["--json", "--help"])).toBe("help");
  });

  it("with --broker name a place, and there are more messages: a second terminal must have the time to come", () => {
    const { bodies, broker } = parse(["--broker", "redis://user:secret@host:7/1"]) as Options;
    expect(bodies).toHaveLength(20_000);
    expect(broker).toEqual({
      url: new URL("redis://user:secret@host:7/1"),
      queue: "headgate-demo",
      idle: undefined,
    });
    expect(parse("--broker pubsub:lab --queue my_queue-2 --idle 2000 --messages 0".split(" "))).toMatchObject({
      bodies: [],
      broker: { url: new URL("pubsub:lab"), queue: "my_queue-2", idle: 2000 },
    });
    const schemes = ["redis", "rediss", "postgres", "postgresql", "nats", "tls", "amqp", "amqps", "pubsub"];
    for (const scheme of schemes) expect(parse([`--broker=${scheme}://there`])).toHaveProperty("broker.url");
    for (const word of [" 20000 ", " headgate-demo", " 2000 "])
      expect(help.out.replaceAll(/\s+/g, " ")).toContain(word);
  });

  it("that npm has kept to itself are refused, with how they reach the demo", () => {
    const kept = (): void => refuseWhatNpmKept({ npm_config_stop_after: "true" });
    expect(kept).toThrow(UsageError);
    expect(kept).toThrow(
      /^npm has kept --stop-after to itself: options come behind a --, as in npm run demo -- --stop-after$/,
    );
    expect(() => refuseWhatNpmKept({ npm_config_loglevel: "silent", npm_config_json: "" })).not.toThrow();
  });

  it.each<[args: string, message: RegExp]>([
    ["--messages=-1", /^--messages takes a whole number of 0 or more, not "-1"$/],
    ["--messages=1.5", /^--messages takes a whole number/],
    ["--messages=", /^--messages takes a whole number of 0 or more, not ""$/],
    ["--messages=10000001", /^--messages takes 10000000 at most, not "10000001"$/],
    ["--messages=Infinity", /^--messages takes a whole number/],
    ["--concurrency=0", /^--concurrency takes a whole number of 1 or more, not "0"$/],
    ["--attempts=0", /^--attempts takes a whole number of 1 or more/],
    ["--slow=-1", /^--slow takes a number of 0 or more/],
    ["--refuse=1.1", /^--refuse takes a number from 0 to 1, not "1.1"$/],
    ["--hang=-0.1", /^--hang takes a number from 0 to 1/],
    ["--timeout=0", /^--timeout takes a number of 1 or more/],
    ["--grace=soon", /^--grace takes a number of 0 or more, not "soon"$/],
    ["--stop-after=never", /^--stop-after takes a number of 0 or more/],
    ["--in=- --messages=5", /^--in and --messages exclude each other$/],
    ["--fast", /--fast/],
    ["file.jsonl", /file\.jsonl/],
    ["--json=yes", /--json/],
    ["--broker=", /^--broker takes redis:.* and this is no url$/],
    ["--broker=redis", /^--broker takes redis:.* and this is no url$/],
    ["--broker=redis://:secret@host:port", /^--broker takes redis:[^@]* and this is no url$/],
    ["--broker=mysql://root:secret@host", /^--broker takes redis:[^@]*, not mysql:$/],
    ["--broker=localhost:6379", /^--broker takes redis:.*, not localhost:$/],
    ["--broker=pubsub:", /^--broker pubsub:PROJECT needs the id of a project$/],
    ["--broker=redis://host --queue=q", /^--queue takes 3 to 50 letters, digits, - and _, a letter first, not "q"$/],
    ["--broker=redis://host --queue=a.b.c", /^--queue takes/],
    ["--broker=redis://host --idle=1999", /^--idle takes a number of 2000 or more, not "1999"$/],
    ["--queue=other", /^--queue needs a --broker$/],
    ["--idle=5000", /^--idle needs a --broker$/],
    ["redis://:secret@host", /^a url belongs to --broker: npm run demo -- --broker URL$/],
    ["--broker redis://host http://user:secret@host", /^Unexpected argument 'http:\/\/host'/],
  ])("refuse %s", (args, message) => {
    const refused = (): unknown => parse(args.split(" "));
    expect(refused).toThrow(UsageError);
    expect(refused).toThrow(message);
  });
});

describe("the example of two goroutines", () => {
  it.each(["two-goroutines", "examples/two-goroutines.ts", "docs/examples/two-goroutines.ts", "two-goroutines.ts"])(
    "is run by the name %s",
    async (name) => {
      const { code, out } = await new Program(["docs/run.mjs", name]).ended;
      expect([code, out.split("\n").at(-2)]).toEqual([0, "both have stopped"]);
    },
  );

  it("ends without a word when nobody reads any more what it prints", async () => {
    const program = new Program(["docs/run.mjs", "two-goroutines"]);
    program.hangUp();
    const { code, errors } = await program.ended;
    expect([code, errors]).toEqual([0, ""]);
  });

  it("stops one by hand, the other by its deadline, and waits for both", async () => {
    const { code, out, errors } = await new Program([join(compiled, "examples", "two-goroutines.js")]).ended;
    expect([code, errors]).toEqual([0, ""]);
    const lines = out.split("\n");
    const of = (name: string): string[] => lines.filter((line) => line.startsWith(name));
    expect(of("first").at(-1)).toBe("first stops: context canceled (Error: no longer wanted)");
    const exceeded = "second stops: context deadline exceeded (TimeoutError: context deadline exceeded)";
    expect(of("second").at(-1)).toBe(exceeded);
    for (const name of ["first", "second"]) {
      const steps = of(name).slice(0, -1);
      expect(steps).toEqual(steps.map((_, i) => `${name}: step ${i + 1}`));
    }
    // Which of them stops first is a matter of real time. Nothing else is said, and nothing after the end.
    expect(lines).toHaveLength(of("first").length + of("second").length + 2);
    expect(lines.slice(-2)).toEqual(["both have stopped", ""]);
  });
});
