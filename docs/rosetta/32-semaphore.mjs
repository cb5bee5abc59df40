/** semaphore.Weighted */
// #region show
let [left, waiting] = [100, []];
const tryAcquire = (n) =>
  left >= n && ((left -= n), true);
const acquire = async (n) => {
  while (!tryAcquire(n))
    await new Promise((wake) => waiting.push(wake));
};
const release = (n) => {
  left += n;
  for (const wake of waiting.splice(0)) wake();
};
await acquire(70);
const full = tryAcquire(50);
release(70);
const free = tryAcquire(50);
// #endregion
console.log(full, free);
