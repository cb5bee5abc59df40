/** fastq with callbacks, its faster form: one worker function for all values, here the tasks themselves. */
import fastq from "fastq";

export const name = "fastq";

const nothing = () => {};
const soon = async () => {};

const work = (task, worked) => {
  task().then(() => worked(null), worked);
};

const group = (concurrency) => (n) =>
  new Promise((resolve) => {
    const queue = fastq(work, concurrency);
    queue.drain = resolve;
    for (let i = 0; i < n; i++) queue.push(soon, nothing);
  });

export const programs = {
  "group-all": group(10),
  "group-1000": group(1000),
  waitgroup: group(1000),
  "bytes-task": (n) => {
    const queue = fastq(work, 1);
    queue.pause();
    for (let i = 0; i < n; i++) queue.push(soon, nothing);
    return queue;
  },
  "scale-tasks": { n: "size", run: (_, n) => group(10)(n) },
};

const CALLBACKS = "with callbacks: no promise is made for a task";

export const notes = {
  "group-limit": "left out: nothing makes the caller that hands in tasks wait",
  "group-all": CALLBACKS,
  "group-1000": CALLBACKS,
  waitgroup: CALLBACKS,
  "bytes-task": CALLBACKS,
  "scale-tasks": CALLBACKS,
};
