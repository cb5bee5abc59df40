/**
 * Messages with keys and several workers: whether those of a key are handled one at a time, and in the order in which they were published,
 * also after a failure.
 */
import { context, time } from "headgate";
import { worker } from "headgate/worker";

const KEYS = 10;
const EACH = 15;
/** Every so many-th message fails, the first time. */
const FAILS = 9;

/** The messages: for each key its own in their order, those of the keys in turns. A body says which one it is. */
export const messages = Array.from({ length: KEYS * EACH }, (_, i) => {
  return { key: `k${i % KEYS}`, body: `k${i % KEYS} ${Math.floor(i / KEYS)}` };
});

/**
 * Handles what was published by the workers: a function for each, which runs it and resolves to its reports. Resolves to what was seen:
 * messages that ran beside another of their key, that ran before an earlier one was handled, and that were never handled.
 */
export async function handledBy(workers, fails = FAILS) {
  const running = new Map();
  const next = new Map();
  const handled = new Set();
  const failed = new Set();
  const seen = { together: [], overtaking: [] };
  const [stop, done] = context.withTimeout(context.background(), 180_000);
  const handle = async (_ctx, { body }) => {
    const [key, n] = body.split(" ");
    if ((running.get(key) ?? 0) > 0) seen.together.push(body);
    if (!handled.has(body) && Number(n) !== (next.get(key) ?? 0)) seen.overtaking.push(body);
    running.set(key, (running.get(key) ?? 0) + 1);
    await time.sleep(2 + Math.random() * 10);
    running.set(key, running.get(key) - 1);
    if (messages.findIndex((message) => message.body === body) % fails === fails - 1 && !failed.has(body)) {
      failed.add(body);
      throw new Error("not this time");
    }
    handled.add(body);
    next.set(key, Number(n) + 1);
    if (handled.size === messages.length) done();
  };
  const options = { backoff: () => 50, grace: 5_000 };
  await Promise.all(workers.map((run) => run(stop, handle, options)));
  done();
  return { ...seen, missing: messages.filter(({ body }) => !handled.has(body)).length };
}

/** A worker on a source, as one of those. */
export const workerOn = (source, more) => (stop, handle, options) =>
  worker(stop, source, handle, { ...options, ...more });
