/** singleflight.Group */
import { setTimeout as sleep } from "node:timers/promises";

let calls = 0;
const load = async () => {
  await sleep(1);
  calls++;
  return "ada";
};
// #region show
const running = new Map();
const get = (key) => {
  if (!running.has(key)) {
    const call = load(key).finally(() =>
      running.delete(key),
    );
    running.set(key, call);
  }
  return running.get(key);
};
await Promise.all([get("7"), get("7")]);
// #endregion
console.log("2 callers,", calls, "call");
