/** time.Ticker */
import { time } from "headgate";

let ticks = 0;
// #region show
const ticker = new time.Ticker(1);
for await (const _ of ticker.c) {
  if (++ticks === 3) break;
}
ticker.stop();
// #endregion
console.log(ticks, "ticks");
