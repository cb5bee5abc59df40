import PQueue from "p-queue";
import { setTimeout as sleep } from "node:timers/promises";

const queue = new PQueue({ concurrency: 1 });
const first = queue.add(() => sleep(5, "first"));
const second = queue.add(() => sleep(5, "second"));

queue.clear(); // drops the job that waits
console.log(await first); // => first
await second; // never settles
// exit 13
