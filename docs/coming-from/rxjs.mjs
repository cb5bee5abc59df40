import { Subject, concatMap, lastValueFrom } from "rxjs";
import { setTimeout as sleep } from "node:timers/promises";

const numbers = new Subject();
let produced = 0;
const handled = numbers.pipe(
  concatMap(async (n) => {
    await sleep(1);
    if (n === 0) console.log(`${produced} were produced before the first was handled`);
  }),
);
const end = lastValueFrom(handled);
// next() does not wait: the rest is kept in memory
while (produced < 100) numbers.next(produced++);
numbers.complete();
await end;
// => 100 were produced before the first was handled
