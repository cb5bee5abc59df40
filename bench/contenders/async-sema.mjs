/** async-sema: a semaphore, and nothing else. */
import { Sema } from "async-sema";

export const name = "async-sema";

const soon = async () => {};

const group = async (n) => {
  const sema = new Sema(10, { capacity: n });
  const release = () => sema.release();
  for (let i = 0; i < n; i++) void sema.acquire().then(soon).then(release, release);
  await sema.drain();
};

const free = async (n) => {
  const sema = new Sema(1);
  for (let i = 0; i < n; i++) {
    await sema.acquire();
    sema.release();
  }
};

const wanted = async (n) => {
  const sema = new Sema(1, { capacity: 10 });
  const task = async () => {
    for (let i = 0; i < n / 10; i++) {
      await sema.acquire();
      sema.release();
    }
  };
  await Promise.all(Array.from({ length: 10 }, task));
};

export const programs = {
  "group-limit": async (n) => {
    const sema = new Sema(10);
    const run = async () => {
      try {
        await soon();
      } finally {
        sema.release();
      }
    };
    for (let i = 0; i < n; i++) {
      await sema.acquire();
      void run();
    }
    await sema.drain();
  },
  "group-all": group,
  mutex: free,
  "mutex-10": wanted,
  semaphore: free,
  "semaphore-10": wanted,
  "bytes-task": (n) => {
    const sema = new Sema(0, { capacity: n });
    for (let i = 0; i < n; i++) void sema.acquire().then(soon);
    return sema;
  },
  "scale-tasks": { n: "size", run: (_, n) => group(n) },
};

const MUTEX = "a semaphore of 1";
const ERRORS = "errors are dropped";

export const notes = { "group-all": ERRORS, mutex: MUTEX, "mutex-10": MUTEX, "scale-tasks": ERRORS };
