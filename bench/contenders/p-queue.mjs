/** p-queue: a queue with a limit, priorities, events and much else. */
import PQueue from "p-queue";

export const name = "p-queue";

const nothing = () => {};
const soon = async () => {};

const group = (concurrency) => async (n) => {
  const queue = new PQueue({ concurrency });
  for (let i = 0; i < n; i++) void queue.add(soon);
  await queue.onIdle();
};

const free = async (n) => {
  const queue = new PQueue({ concurrency: 1 });
  for (let i = 0; i < n; i++) await queue.add(nothing);
};

const wanted = async (n) => {
  const queue = new PQueue({ concurrency: 1 });
  const task = async () => {
    for (let i = 0; i < n / 10; i++) await queue.add(nothing);
  };
  await Promise.all(Array.from({ length: 10 }, task));
};

export const programs = {
  "group-limit": async (n) => {
    const queue = new PQueue({ concurrency: 10 });
    for (let i = 0; i < n; i++) {
      await queue.onSizeLessThan(queue.concurrency);
      void queue.add(soon);
    }
    await queue.onIdle();
  },
  "group-all": group(10),
  "group-1000": group(Infinity),
  waitgroup: group(Infinity),
  mutex: free,
  "mutex-10": wanted,
  semaphore: free,
  "semaphore-10": wanted,
  "bytes-task": (n) => {
    const queue = new PQueue({ autoStart: false });
    for (let i = 0; i < n; i++) void queue.add(soon);
    return queue;
  },
  "scale-tasks": { n: "size", run: (_, n) => group(10)(n) },
};

const CALLS = "a queue of concurrency 1 calls the function; it cannot be held in another way";

export const notes = {
  mutex: CALLS,
  "mutex-10": CALLS,
  semaphore: CALLS,
  "semaphore-10": CALLS,
};
