import { setTimeout as sleep } from "node:timers/promises";

let finished = 0;
async function ask(mirror, ms) {
  await sleep(ms);
  finished++;
  return `from ${mirror}`;
}

console.log(await Promise.race([ask("near", 1), ask("far", 20)])); // => from near
await sleep(50); // the loser has worked to the end
console.log(finished); // => 2
