import { setTimeout as sleep } from "node:timers/promises";

async function report(signal) {
  const either = AbortSignal.any([signal, AbortSignal.timeout(20)]);
  await sleep(60_000, undefined, { signal: either });
}

const { signal } = new AbortController();
await report(signal).catch((error) => console.log(error.cause.name)); // => TimeoutError

// 30 days are more than a timer of Node can hold
const month = AbortSignal.timeout(30 * 24 * 3_600_000);
await sleep(20);
console.log(month.aborted); // => true
