import { Chan, go, time } from "headgate";
import * as debug from "headgate/debug";

debug.watch({ onLeak: () => {} });

/** The price from the first of two shops that answers. */
async function price() {
  const answers = debug.name(new Chan(), "answers");
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
for (const { kind, count, text, at } of await debug.leaks())
  if (kind === "wait") console.log(`${count} × ${text}\n    at ${at}`);
