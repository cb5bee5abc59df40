/** sync.Mutex, defer Unlock */
import { setTimeout as sleep } from "node:timers/promises";

let balance = 10;
const pause = () => sleep(1);
// #region show
let last = Promise.resolve();
function withdraw(amount) {
  const mine = last.then(async () => {
    const seen = balance;
    await pause();
    balance = seen - amount;
  });
  last = mine.catch(() => {});
  return mine;
}
// #endregion
await Promise.all([withdraw(3), withdraw(4)]);
console.log(balance, "left");
