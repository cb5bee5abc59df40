/** sync.Mutex, defer Unlock */
import { sync, time } from "headgate";

let balance = 10;
const pause = () => time.sleep(1);
// #region show
const mu = new sync.Mutex();
async function withdraw(amount: number) {
  using _ = await mu.lock();
  const seen = balance;
  await pause();
  balance = seen - amount;
}
// #endregion
await Promise.all([withdraw(3), withdraw(4)]);
console.log(balance, "left");
