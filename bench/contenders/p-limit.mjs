/** p-limit: tasks are handed in at once and promise their results; nothing makes the caller wait. */
import pLimit from "p-limit";

export const name = "p-limit";

const nothing = () => {};
const soon = async () => {};

const group = async (n) => {
  const limit = pLimit(10);
  await Promise.all(Array.from({ length: n }, () => limit(soon)));
};

const free = async (n) => {
  const limit = pLimit(1);
  for (let i = 0; i < n; i++) await limit(nothing);
};

const wanted = async (n) => {
  const limit = pLimit(1);
  const task = async () => {
    for (let i = 0; i < n / 10; i++) await limit(nothing);
  };
  await Promise.all(Array.from({ length: 10 }, task));
};

export const programs = {
  "group-all": group,
  mutex: free,
  "mutex-10": wanted,
  semaphore: free,
  "semaphore-10": wanted,
  "bytes-task": (n) => {
    const limit = pLimit(1);
    void limit(() => new Promise(nothing));
    for (let i = 0; i < n; i++) void limit(soon);
    return limit;
  },
  "scale-tasks": { n: "size", run: (_, n) => group(n) },
};

const CALLS = "a limit of 1 calls the function; it cannot be held in another way";

export const notes = {
  "group-limit": "left out: nothing makes the caller that hands in tasks wait",
  mutex: CALLS,
  "mutex-10": CALLS,
  semaphore: CALLS,
  "semaphore-10": CALLS,
};
