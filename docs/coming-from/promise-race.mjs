import { setTimeout as sleep } from "node:timers/promises";

let finished = 0;
async function ask(mirror, ms) {
  await sleep(ms);
  finished++;
  return `from ${mirror}`;
}

console.log(await Promise.race([ask("near", 1), ask("far", 1_000)])); // => from near
await sleep(1_500); // the loser has worked to the end
console.log(finished); // => 2
