import pLimit from "p-limit";
import { setTimeout as sleep } from "node:timers/promises";

let started = 0;
async function job(n) {
  started++;
  await sleep(1);
  if (n === 1) throw new Error("job 1 has failed");
}

const limit = pLimit(2);
const jobs = Array.from({ length: 50 }, (_, n) => limit(() => job(n)));
await Promise.all(jobs).catch((error) => console.log(error.message)); // => job 1 has failed
await Promise.allSettled(jobs); // those behind it start all the same
console.log(started); // => 50
