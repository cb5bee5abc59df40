/** semaphore.Weighted */
import { context, semaphore } from "headgate";

const ctx = context.background();
// #region show
const memory = new semaphore.Weighted(100);
await memory.acquire(70, ctx);
const full = memory.tryAcquire(50);
memory.release(70);
const free = memory.tryAcquire(50);
// #endregion
console.log(full, free);
