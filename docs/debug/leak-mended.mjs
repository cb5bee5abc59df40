import { Chan, go, time } from "headgate";
import * as debug from "headgate/debug";

debug.watch({ onLeak: () => {} });

async function price() {
  // Room for every answer, so that no sender needs a receiver.
  const answers = new Chan(2);
  for (const ms of [1, 5]) {
    go(async function ask() {
      await time.sleep(ms);
      await answers.send(ms);
    });
  }
  const [first] = await answers.recv();
  return first;
}

for (let n = 0; n < 3; n++) await price();
await time.sleep(50);
console.log((await debug.leaks()).length, "leaks");
