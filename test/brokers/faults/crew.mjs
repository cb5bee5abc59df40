/**
 * The worker processes of one fault run, the journal they write, and what became of each message by what it says.
 *
 * Terms, for a message and its handlers:
 * - A finish is *acked for certain* if its process reported at its end, and did not name the message among the leftovers. What a process
 *   that was killed had finished may have been acked or not.
 * - Handled twice: its handler finished once more after it had finished.
 * - Broken promise: its handler started after it had been acked for certain. Only a process that had it before, and was frozen or cut
 *   off, may do so, and then names it among the leftovers: it was told that the message was no longer its own.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

const script = new URL("process.mjs", import.meta.url);

/** Whatever happens to us, no worker goes on. */
const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** What is the same for all workers, unless a run says something else. */
const USUAL = { takes: [0, 20], options: { concurrency: 8, prefetch: 8, grace: 20_000 } };

export class Crew {
  constructor(orders) {
    this.folder = mkdtempSync(join(tmpdir(), "headgate-faults-"));
    this.journal = join(this.folder, "journal");
    writeFileSync(this.journal, "");
    this.reader = openSync(this.journal, "r");
    this.chunk = Buffer.alloc(65_536);
    this.unread = "";
    this.lines = [];
    this.everFinished = new Set();
    this.orders = { ...orders, journal: this.journal };
    this.workers = [];
    this.published = [];
  }

  /** Starts a worker; resolves when it pulls. */
  async start(orders = {}) {
    const name = `w${this.workers.length}`;
    const options = { ...USUAL.options, ...orders.options };
    const all = { ...USUAL, ...this.orders, ...orders, options, name };
    const child = fork(script, [JSON.stringify(all)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    running.add(child);
    const worker = new Worker(name, child, options.concurrency + options.prefetch);
    this.workers.push(worker);
    await worker.ready;
    return worker;
  }

  /** The lines of the journal so far. */
  read() {
    for (let n; (n = readSync(this.reader, this.chunk)) > 0;) {
      const lines = (this.unread + this.chunk.toString("utf8", 0, n)).split("\n");
      this.unread = lines.pop();
      for (const line of lines) {
        const [what, worker, body] = line.split(" ");
        this.lines.push({ what, worker, body });
        if (what === "finish") this.everFinished.add(body);
      }
    }
    return this.lines;
  }

  /** What has been finished so far. */
  finished() {
    this.read();
    return this.everFinished;
  }

  /** What has been started by this worker, or any, and not finished by it. */
  begun(worker) {
    const begun = new Set();
    for (const line of this.read()) {
      if (line.what === "expire" || (worker !== undefined && line.worker !== worker.name)) continue;
      if (line.what === "start") begun.add(line.body);
      else begun.delete(line.body);
    }
    return begun;
  }

  /** Waits until something is so; says what did not come about if it takes too long. */
  async until(what, isSo, ms = 240_000) {
    for (const late = Date.now() + ms; !(await isSo()); await sleep(20)) {
      if (Date.now() > late) throw new Error(`after ${ms} ms still not so: ${what}`);
      const broken = this.workers.find((worker) => worker.broken !== undefined);
      if (broken !== undefined) throw new Error(`${broken.name} ${broken.broken}`);
    }
  }

  /** Waits until all that was published has been finished, or is of no interest. Two minutes without any progress are too long. */
  async allFinished(but = (body) => body.startsWith("poison")) {
    let best = -1;
    let late;
    for (;;) {
      const finished = this.finished();
      const left = this.published.filter((body) => !finished.has(body) && !but(body));
      if (left.length === 0) return;
      if (finished.size > best) {
        best = finished.size;
        late = Date.now() + 120_000;
      }
      // Then they are lost, and the account says so.
      if (Date.now() > late) return;
      await sleep(20);
    }
  }

  /** Asks all workers to stop, and waits for them. */
  async stopAll() {
    for (const worker of this.workers) worker.stop();
    await Promise.all(this.workers.map((worker) => worker.ended));
  }

  /** What became of the messages. All workers must have ended. */
  account() {
    const workers = new Map(this.workers.map((worker) => [worker.name, worker]));
    const named = new Map(
      this.workers.map(({ name, report }) => [name, new Set(report?.leftovers.map(({ body }) => body))]),
    );
    const finishes = new Map();
    const certain = new Set();
    const broken = [];
    const by = new Map(this.workers.map(({ name }) => [name, { started: 0, finished: 0, again: 0, expired: 0 }]));
    const finishers = new Map();
    for (const { what, worker, body } of this.read()) {
      const counts = by.get(worker);
      if (what === "expire") {
        counts.expired += Number(body);
        continue;
      }
      if (what === "start") {
        counts.started++;
        if (certain.has(body) && !named.get(worker).has(body)) broken.push(`${body}, by ${worker}`);
        continue;
      }
      counts.finished++;
      finishes.set(body, (finishes.get(body) ?? 0) + 1);
      const before = finishers.get(body);
      if (before !== undefined) by.get(before).again++;
      finishers.set(body, worker);
      if (workers.get(worker).report !== undefined && !named.get(worker).has(body)) certain.add(body);
    }
    const sum = (list) => list.reduce((a, b) => a + b, 0);
    const reports = this.workers.flatMap(({ report }) => (report === undefined ? [] : [report]));
    const problems = this.workers.flatMap(({ name, broken }) => (broken === undefined ? [] : [`${name} ${broken}`]));
    for (const { name, report } of this.workers) {
      if (report === undefined) continue;
      const { pulled, acked, retried, released, dead, expired, started } = report;
      if (pulled !== acked + retried + released + dead + expired) {
        problems.push(`${name}: the report does not add up: ${JSON.stringify(report)}`);
      }
      if (started !== by.get(name).started) {
        problems.push(`${name}: ${started} started by the report, ${by.get(name).started} by the journal`);
      }
      const gone = report.leftovers.filter(({ verdict }) => verdict === "acked").length;
      if (by.get(name).finished !== acked + gone) {
        problems.push(`${name}: ${by.get(name).finished} finished, but ${acked} acked and ${gone} named`);
      }
    }
    return {
      messages: this.published.length,
      twice: sum([...finishes.values()].map((n) => n - 1)),
      lost: this.published.filter((body) => !finishes.has(body) && !body.startsWith("poison")),
      broken,
      expired: sum(reports.map(({ expired }) => expired)),
      /** By the name of a worker: how many of those that it finished were finished again. */
      again: new Map([...by].map(([name, { again }]) => [name, again])),
      /** By the name of a worker: how many of its messages expired, even if it was killed later. */
      expiredBy: new Map([...by].map(([name, { expired }]) => [name, expired])),
      reports,
      problems,
    };
  }

  async close() {
    for (const worker of this.workers) worker.kill();
    await Promise.all(this.workers.map((worker) => worker.ended));
    closeSync(this.reader);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

class Worker {
  constructor(name, child, holds) {
    this.name = name;
    this.child = child;
    /** How many messages it holds at most. */
    this.holds = holds;
    this.report = undefined;
    this.killed = false;
    this.stopping = false;
    /** Why it ended, if it should not have ended so. */
    this.broken = undefined;
    // What it has sent may arrive after its end.
    this.ended = Promise.all([once(child, "exit"), once(child, "disconnect")]).then(([[code, signal]]) => {
      running.delete(child);
      if (this.killed || (code === 0 && this.report !== undefined)) return;
      if (code === 3) this.broken = "was kept by something that was not closed";
      else this.broken = `ended with ${signal ?? code}${this.report === undefined ? " and without a report" : ""}`;
    });
    const isReady = new Promise((resolve) => {
      child.on("message", (message) => {
        if (message === "ready") resolve();
        else this.report = message;
      });
    });
    this.ready = Promise.race([isReady, this.ended]);
  }

  /** Asks it to stop, as a supervisor does: once, for when it has let go of the signal another one would end it. */
  stop() {
    if (this.killed || this.stopping) return;
    this.stopping = true;
    this.child.kill("SIGTERM");
  }

  kill() {
    if (this.report !== undefined || this.child.exitCode !== null) return;
    this.killed = true;
    this.child.kill("SIGKILL");
  }

  freeze() {
    this.child.kill("SIGSTOP");
  }

  thaw() {
    this.child.kill("SIGCONT");
  }
}
