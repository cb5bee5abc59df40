/** errors.Is(err, context.Canceled) */
import { setTimeout as sleep } from "node:timers/promises";

const controller = new AbortController();
const { signal } = controller;
controller.abort();
const work = (options) =>
  sleep(1, undefined, options);
// #region show
const err = await work({ signal }).catch((err) => {
  if (err.name !== "AbortError") throw err;
  return err;
});
console.log("cancelled:", err !== undefined);
// #endregion
