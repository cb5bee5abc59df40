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
  const shared = running.has(key);
  if (!shared) {
    const call = load(key).finally(() =>
      running.delete(key),
    );
    running.set(key, call);
  }
  return [running.get(key), shared];
};
const [value, shared] = get("7");
console.log(await value, shared);
// #endregion
if (calls !== 1) throw new Error("called again");
