import { setTimeout as sleep } from "node:timers/promises";

async function* news() {
  for (;;) {
    await new Promise(() => {}); // waits for the next one
    yield "news";
  }
}

const stream = news();
void stream.next();
const left = stream.return().then(() => "has left");
console.log(await Promise.race([left, sleep(20, "cannot leave")])); // => cannot leave
