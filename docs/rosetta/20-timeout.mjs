/** WithTimeout */
import { setTimeout as sleep } from "node:timers/promises";

const work = async (signal) => {
  await sleep(60_000, undefined, { signal }).catch(
    () => {},
  );
  signal.throwIfAborted();
};
const parent = new AbortController().signal;
// #region show
const timeout = AbortSignal.timeout(5);
const signal = AbortSignal.any([parent, timeout]);
const err = await work(signal).catch((err) => err);
const late = err.name === "TimeoutError";
console.log("too late:", late);
// #endregion
