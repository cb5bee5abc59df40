/** time.Sleep */
import { setTimeout as sleep } from "node:timers/promises";

const { signal } = new AbortController();
// #region show
await sleep(1, undefined, { signal });
console.log("awake");
// #endregion
