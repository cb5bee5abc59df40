/** A timeout in a select */
import { setTimeout as sleep } from "node:timers/promises";

const answer = new Promise(() => {});
// #region show
const lost = new AbortController();
const { signal } = lost;
const text = await Promise.race([
  answer,
  sleep(5, "too late", { signal }),
]).finally(() => lost.abort());
console.log(text);
// #endregion
