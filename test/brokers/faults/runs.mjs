/**
 * The faults, each as a run of worker processes on a queue of its own: what is done to them, and what must hold afterwards.
 *
 * What must hold after all of them: no message is lost, none is left in the queue, each report adds up and agrees with the journal, and
 * what was acked for certain is never handled again. What more must hold is said in each run; how often a message may be handled twice
 * follows from what the workers hold at the most, `concurrency + prefetch` each.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Crew } from "./crew.mjs";
import { proxyTo } from "./proxy.mjs";

/** How much of each fault: as in `npm run test:brokers`. */
export const USUAL = { stops: 50, kills: 10, cuts: 8, restarts: 2 };

/**
 * The runs. `title` says what must hold, `alone` that the whole server is concerned, `run` resolves to what is to be said and checked:
 * `faults` (what was done, how often), `atMost` (how often messages may be handled twice), and `problems`.
 */
export const runs = [
  {
    name: "stopped",
    title: "workers that are stopped by SIGTERM at random moments, while others take over: none is handled twice",
    lease: "long",
    async run(lab, { stops }) {
      const publishing = lab.publishSteadily();
      await inTurns(lab.crew, stops, { takes: [0, 80] }, (worker) => worker.stop());
      await publishing.end();
      await lab.drained();
      const { expired } = lab.crew.account();
      return {
        faults: `${stops} × SIGTERM`,
        atMost: 0,
        problems: expired === 0 ? [] : [`${expired} expired`],
      };
    },
  },
  {
    name: "killed",
    title: "workers that are ended by SIGKILL at random moments: at most what each held is handled twice",
    lease: "short",
    async run(lab, { kills }) {
      const publishing = lab.publishSteadily();
      await inTurns(lab.crew, kills, { takes: [0, 80] }, (worker) => worker.kill());
      await publishing.end();
      await lab.drained();
      return { faults: `${kills} × SIGKILL`, ...lab.boundedBy(lab.crew.workers.filter(({ killed }) => killed)) };
    },
  },
  {
    name: "restarted",
    title: "the server is killed and started again in mid-run: at most what was held is handled twice",
    alone: true,
    lease: "short",
    unless: ({ restarts, whyNoRestart }) => (restarts === undefined ? whyNoRestart : undefined),
    async run(lab, { restarts }) {
      const { crew } = lab;
      // While the server is away nothing is published: who had to try that again could publish a message twice.
      await lab.publish(800 * (restarts + 1));
      const orders = { takes: [5, 40], options: { callTimeout: 3_000 } };
      await Promise.all([crew.start(orders), crew.start(orders)]);
      for (let i = 0; i < restarts; i++) {
        await crew.until("a third is finished", () => crew.finished().size > 800 * i + 300);
        await lab.restart();
      }
      const inMidRun = crew.finished().size < lab.crew.published.length;
      await lab.drained();
      const { atMost, problems } = lab.boundedBy(crew.workers, restarts);
      if (!inMidRun) problems.push("everything was finished before the last restart");
      // What the server has confirmed and forgotten in its crash is no fault of the worker's. It cannot be more than was under way.
      return { faults: `${restarts} × ${lab.broker.restarts} of the server`, atMost, problems, mayForget: true };
    },
  },
  {
    name: "paused",
    title: "the server hangs for longer than the lease, and goes on: at most what was held is handled twice",
    alone: true,
    lease: "short",
    async run(lab) {
      const { crew } = lab;
      // While the server hangs nothing is published: who had to try that again could publish a message twice.
      await lab.publish(1_200);
      const orders = { takes: [5, 40], options: { callTimeout: 3_000 } };
      await Promise.all([crew.start(orders), crew.start(orders)]);
      await crew.until("a third is finished", () => crew.finished().size > 400);
      lab.server.pause();
      await sleep(lab.lease + 2_000);
      lab.server.resume();
      const inMidRun = crew.finished().size < lab.crew.published.length;
      await lab.drained();
      const { atMost, problems } = lab.boundedBy(crew.workers);
      if (!inMidRun) problems.push("everything was finished before the server hung");
      return { faults: "1 × SIGSTOP of the server", atMost, problems };
    },
  },
  {
    name: "cut",
    title: "the connections of the workers are cut again and again: at most what each held is handled twice",
    lease: "short",
    async run(lab, { cuts }) {
      const proxy = await lab.proxy();
      const orders = { url: proxy.url, takes: [0, 80], options: { callTimeout: 3_000 } };
      await Promise.all([lab.crew.start(orders), lab.crew.start(orders)]);
      const publishing = lab.publishSteadily();
      let connections = 0;
      for (let done = 0; done < cuts;) {
        await sleep(200 + Math.random() * 600);
        const cut = proxy.cut();
        connections += cut;
        if (cut > 0) done++;
      }
      await publishing.end();
      await lab.drained();
      return { faults: `${cuts} × cut, ${connections} connections`, ...lab.boundedBy(lab.crew.workers, cuts) };
    },
  },
  {
    name: "frozen process",
    title: "a process that was frozen for longer than the lease settles nothing that is somebody else's by then",
    lease: "short",
    async run(lab) {
      const { crew } = lab;
      const options = { concurrency: 4, prefetch: 4 };
      await lab.publish(8);
      const frozen = await crew.start({ takes: [2_000, 3_000], options });
      // A busy machine may look so late that more have begun.
      await crew.until("the first worker has begun", () => crew.begun(frozen).size >= 4);
      frozen.freeze();
      // It takes over what the other had, and finishes nothing of it.
      const second = await crew.start({ takes: [3_600_000, 3_600_000] });
      const held = 8 - crew.finished().size;
      await crew.until("the second worker has what the first held", () => crew.begun(second).size >= held);
      const taken = [...crew.begun(second)];
      frozen.thaw();
      await sleep(500);
      frozen.stop();
      await frozen.ended;
      // Had it settled what the second has, nobody would get that any more.
      second.kill();
      const third = await crew.start();
      const finishedByThird = () => {
        const lines = crew.read().filter(({ what, worker }) => what === "finish" && worker === third.name);
        return new Set(lines.map(({ body }) => body));
      };
      await crew.until("the third worker has finished what the second had", () =>
        taken.every((body) => finishedByThird().has(body)),
      );
      await lab.drained();
      const named = new Set(frozen.report?.leftovers.map(({ body }) => body));
      const silent = taken.filter((body) => !named.has(body));
      return {
        faults: "1 × SIGSTOP",
        atMost: frozen.holds,
        problems: silent.length === 0 ? [] : [`the frozen worker has lost ${silent.join()} and does not say so`],
      };
    },
  },
  {
    name: "frozen connection",
    title: "what a connection says that hung for longer than the lease settles nothing that is somebody else's by then",
    lease: "short",
    async run(lab) {
      const { crew } = lab;
      const proxy = await lab.proxy();
      const hung = await crew.start({ url: proxy.url, takes: [0, 80] });
      const publishing = lab.publishSteadily();
      await crew.until("the first worker is at work", () => crew.finished().size > 100);
      proxy.freeze();
      await crew.start();
      await sleep(lab.broker.leases.short + 3_000);
      proxy.thaw();
      await publishing.end();
      await lab.drained();
      return { faults: "1 × hung connection", ...lab.boundedBy([hung]) };
    },
  },
  {
    name: "acks refused",
    title:
      "a quarter of the calls with verdicts fail and are made again, while the lease lives: none is handled twice, none expires",
    lease: "long",
    async run(lab) {
      const { crew } = lab;
      const orders = { refuses: "before", takes: [0, 40] };
      await Promise.all([crew.start(orders), crew.start(orders)]);
      await lab.publish(400);
      await lab.drained();
      const { expired, reports } = crew.account();
      const failed = reports.reduce((sum, report) => sum + report.failed, 0);
      return {
        faults: `${failed} × refused`,
        atMost: 0,
        problems: [...(expired === 0 ? [] : [`${expired} expired`]), ...(failed > 0 ? [] : ["no call failed"])],
      };
    },
  },
  {
    name: "acks unheard",
    title: "the answers to verdicts are lost: none is handled twice, and what is not known to be acked is named",
    lease: "long",
    async run(lab) {
      const { crew } = lab;
      const orders = { refuses: "after", takes: [0, 40] };
      await Promise.all([crew.start(orders), crew.start(orders)]);
      await lab.publish(400);
      await lab.drained();
      const { expired, reports } = crew.account();
      const unheard = reports.reduce((sum, report) => sum + report.unheard, 0);
      return {
        faults: `${unheard} × answer lost`,
        atMost: 0,
        problems: [
          ...(expired <= unheard ? [] : [`${expired} expired, and only ${unheard} were told in vain`]),
          ...(unheard > 0 ? [] : ["no answer was lost"]),
        ],
      };
    },
  },
  {
    name: "poison",
    title:
      "messages that no handler can digest are dead letters with their reason, after maxAttempts; others are unharmed",
    lease: "long",
    async run(lab) {
      const { crew } = lab;
      const poison = Array.from({ length: 5 }, (_, i) => `poison${i}`);
      const maxAttempts = 3;
      await crew.start({ options: { maxAttempts } });
      await lab.publish(50);
      await lab.publish(poison);
      await lab.publish(50);
      const attempts = () => crew.read().filter(({ body }) => body.startsWith("poison")).length;
      await crew.until("the poison has been tried often enough", () => attempts() >= poison.length * maxAttempts);
      await lab.drained();
      const letters = await lab.admin.deadLetters(lab.queue);
      const problems = [];
      for (const body of poison) {
        const times = crew.read().filter((line) => line.body === body).length;
        if (times !== maxAttempts) problems.push(`${body} was tried ${times} times`);
        const reasons = letters.flatMap((letter) => (letter.body === body ? [letter.reason] : []));
        if (reasons.length !== 1 || !reasons[0].includes(`cannot digest ${body}`)) {
          problems.push(`${body} is among the dead letters with the reasons ${JSON.stringify(reasons)}`);
        }
      }
      if (letters.length !== poison.length) problems.push(`${letters.length} dead letters`);
      const { dead, retried } = crew.workers[0].report ?? {};
      if (dead !== poison.length || retried !== poison.length * (maxAttempts - 1)) {
        problems.push(`${dead} dead and ${retried} retried by the report`);
      }
      return { faults: `${poison.length} × poison`, atMost: 0, problems };
    },
  },
  {
    name: "deaf handlers",
    title:
      "handlers that are deaf to their ctx do not keep a stopped process beyond its grace; another gets their messages",
    lease: "long",
    async run(lab) {
      const { crew } = lab;
      const deaf = Array.from({ length: 4 }, (_, i) => `deaf${i}`);
      await lab.publish(deaf);
      await lab.publish(20);
      const grace = 5_000;
      const first = await crew.start({
        deaf: true,
        takes: [0, 40],
        options: { concurrency: 8, grace, abortWindow: 500, settle: 1_000 },
      });
      const isDeaf = () => [...crew.begun(first)].filter((body) => body.startsWith("deaf")).length === deaf.length;
      await crew.until("the deaf handlers run", isDeaf);
      first.stop();
      await first.ended;
      const problems = [];
      const { abandoned, released, phaseMs } = first.report ?? {};
      if (abandoned !== deaf.length || !(released >= deaf.length)) {
        problems.push(`${abandoned} abandoned, ${released} released`);
      }
      const all = phaseMs === undefined ? Infinity : phaseMs.draining + phaseMs.aborting + phaseMs.settling;
      // A busy machine may be late with its timers. Without a limit the stop would never end.
      if (all > grace + 20_000) problems.push(`the stop took ${all} ms, with a grace of ${grace}`);
      await crew.start();
      await lab.drained();
      return { faults: `${deaf.length} × deaf`, atMost: 0, problems };
    },
  },
];

/** Does something to one worker after the other, each time after another one has begun to pull. */
async function inTurns(crew, times, orders, end) {
  // It takes a while to start one: a few are under way.
  const coming = Array.from({ length: Math.min(times, 2) }, () => crew.start(orders));
  let current = await crew.start(orders);
  for (let i = 0; i < times; i++) {
    const next = await coming.shift();
    if (i + 2 < times) coming.push(crew.start(orders));
    await sleep(Math.random() * 150);
    end(current);
    current = next;
  }
}

let labs = 0;

/** Makes one of the runs with a broker. Resolves to the figures; `problems` has what should not be so. */
export async function runOnce({ name, lease, run }, broker, server, amounts = USUAL) {
  const lab = await Lab.of(broker, server, lease);
  const began = performance.now();
  try {
    const { faults, atMost, problems, mayForget = false } = await run(lab, amounts);
    const account = lab.crew.account();
    const { messages, twice, lost, expired, broken } = account;
    const all = [...account.problems, ...problems];
    if (lost.length > 0) all.push(`${lost.length} lost: ${lost.slice(0, 10).join()}`);
    if (twice > atMost) all.push(`${twice} handled twice, and there should be ${atMost} at most`);
    const excused = mayForget ? atMost : 0;
    if (broken.length > excused) {
      all.push(`${broken.length} begun again after the ack was confirmed: ${broken.slice(0, 10).join("; ")}`);
    }
    const left = await lab.left();
    if (left > 0) all.push(`${left} left in the queue`);
    const seconds = (performance.now() - began) / 1_000;
    return { fault: name, messages, faults, twice, atMost, lost: lost.length, expired, seconds, problems: all };
  } finally {
    await lab.close();
  }
}

class Lab {
  static async of({ name, adapter }, server, lease) {
    const queue = `faults${++labs}`;
    const admin = await adapter.admin(server.url);
    await admin.create(queue, adapter.leases[lease]);
    return new Lab(name, adapter, server, queue, admin, lease);
  }

  constructor(name, broker, server, queue, admin, lease) {
    /** Whether leases are to run out, and messages to come again. */
    this.comeAgain = lease === "short";
    this.broker = broker;
    this.server = server;
    this.queue = queue;
    this.admin = admin;
    this.lease = broker.leases[lease];
    this.crew = new Crew({ broker: name, url: server.url, queue, lease: this.lease });
    this.closers = [];
  }

  /** Publishes so many messages, or these. */
  async publish(what) {
    const { published } = this.crew;
    const all = typeof what === "number" ? Array.from({ length: what }, (_, i) => `m${published.length + i}`) : what;
    for (let i = 0; i < all.length; i += 100) {
      const bodies = all.slice(i, i + 100);
      await this.admin.publish(this.queue, bodies);
      published.push(...bodies);
    }
  }

  /** Publishes, 250 messages a second at most, until it is told to end. */
  publishSteadily() {
    let over = false;
    const publishing = (async () => {
      for (; !over; await sleep(40)) await this.publish(10);
    })();
    return {
      end: () => {
        over = true;
        return publishing;
      },
    };
  }

  /** A proxy to the server, with its url. */
  async proxy() {
    const address = /127\.0\.0\.1:(\d+)/;
    const proxy = await proxyTo(Number(address.exec(this.server.url)[1]));
    this.closers.push(() => proxy.close());
    return { ...proxy, url: this.server.url.replace(address, `127.0.0.1:${proxy.port}`) };
  }

  async restart() {
    await this.admin.close();
    await this.server.restart(this.broker.restarts);
    this.admin = await this.broker.admin(this.server.url);
  }

  /** Waits until everything is handled, and what has to come again has come again; then stops all workers. */
  async drained() {
    await this.crew.allFinished();
    // If something stays, the end of the run says so.
    const late = Date.now() + this.lease + 120_000;
    if (!this.broker.tells) await sleep(this.comeAgain ? this.lease + 2_000 : 0);
    else while ((await this.admin.left(this.queue)) > 0 && Date.now() < late) await sleep(50);
    await this.crew.stopAll();
  }

  /** How many messages are in the queue that nobody has settled. The last verdicts may take the server a moment. */
  async left() {
    for (let i = 0; ; i++) {
      const left = await this.admin.left(this.queue);
      if (left === 0 || i === 300) return left;
      await sleep(100);
    }
  }

  /** The bound on what may be handled twice, when each of these workers may have lost all that it held, so many times. */
  boundedBy(workers, times = 1) {
    const { again, expiredBy } = this.crew.account();
    // On a busy machine others may lose a lease, too, and those that are killed, before that.
    const excusedOf = (worker) => (workers.includes(worker) && !worker.killed ? 0 : expiredBy.get(worker.name));
    const problems = workers.flatMap((worker) => {
      const [n, most] = [again.get(worker.name), worker.holds * times + excusedOf(worker)];
      return n <= most ? [] : [`${n} that ${worker.name} has finished were handled again; ${most} at most may be`];
    });
    const excused = this.crew.workers.reduce((sum, worker) => sum + excusedOf(worker), 0);
    return { atMost: workers.reduce((sum, { holds }) => sum + holds * times, excused), problems };
  }

  async close() {
    await this.crew.close();
    for (const close of this.closers) close();
    await this.admin.close();
  }
}
