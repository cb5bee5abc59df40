/** errgroup.WithContext */
import { setTimeout as sleep } from "node:timers/promises";

// #region show
const stop = new AbortController();
const { signal } = stop;
const tasks = [
  Promise.reject(new Error("page 2 is gone")),
  sleep(60_000, undefined, { signal }),
];
const err = await Promise.all(tasks).catch(
  async (err) => {
    stop.abort(err); // so the other one stops
    await Promise.allSettled(tasks);
    return err;
  },
);
// #endregion
console.log(err.message);
