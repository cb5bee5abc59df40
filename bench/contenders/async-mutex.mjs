/** async-mutex: a mutex and a weighted semaphore, both with priorities. */
import { Mutex, Semaphore } from "async-mutex";

export const name = "async-mutex";

const soon = async () => {};

const inTasks = async (tasks, n, turn, after) => {
  const task = async () => {
    for (let i = 0; i < n / tasks; i++) after(await turn());
  };
  await Promise.all(Array.from({ length: tasks }, task));
};

const group = async (n) => {
  const semaphore = new Semaphore(10);
  await Promise.all(Array.from({ length: n }, () => semaphore.runExclusive(soon)));
};

export const programs = {
  "group-limit": async (n) => {
    const semaphore = new Semaphore(10);
    const run = async () => {
      try {
        await soon();
      } finally {
        semaphore.release();
      }
    };
    for (let i = 0; i < n; i++) {
      await semaphore.acquire();
      void run();
    }
    await semaphore.acquire(10);
  },
  mutex: async (n) => {
    const mutex = new Mutex();
    for (let i = 0; i < n; i++) {
      const release = await mutex.acquire();
      release();
    }
  },
  "mutex-10": async (n) => {
    const mutex = new Mutex();
    await inTasks(
      10,
      n,
      () => mutex.acquire(),
      (release) => release(),
    );
  },
  semaphore: async (n) => {
    const semaphore = new Semaphore(1);
    for (let i = 0; i < n; i++) {
      await semaphore.acquire();
      semaphore.release();
    }
  },
  "semaphore-10": async (n) => {
    const semaphore = new Semaphore(1);
    await inTasks(
      10,
      n,
      () => semaphore.acquire(),
      () => semaphore.release(),
    );
  },
  "bytes-task": (n) => {
    const semaphore = new Semaphore(0);
    for (let i = 0; i < n; i++) void semaphore.runExclusive(soon);
    return semaphore;
  },
  "scale-tasks": { n: "size", run: (_, n) => group(n) },
};

/** The largest size that can be waited for: what takes the first of an array is slow beyond it. */
export const largest = { "scale-tasks": 10_000 };

export const notes = {
  "group-all": "left out: it takes the first of an array of 100 000 each time, which takes most of a minute",
};
