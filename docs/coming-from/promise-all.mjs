import { setTimeout as sleep } from "node:timers/promises";

const written = [];
async function write(name, ms) {
  await sleep(ms);
  if (name === "bad") throw new Error("the disk is full");
  written.push(name);
}

const both = Promise.all([write("bad", 1), write("late", 1_000)]);
await both.catch((error) => console.log(error.message)); // => the disk is full
console.log(written); // => []
await sleep(1_500); // the other task goes on, though its caller has given up
console.log(written); // => [ 'late' ]
