/** time.Ticker */
import { setInterval } from "node:timers/promises";

let ticks = 0;
// #region show
for await (const _ of setInterval(1)) {
  if (++ticks === 3) break;
}
// #endregion
console.log(ticks, "ticks");
