/** time.Ticker */
import { context, time } from "headgate";

const ctx = context.background();
let ticks = 0;
// #region show
const ticker = new time.Ticker(1);
try {
  for await (const _ of ticker.c.values(ctx)) {
    if (++ticks === 3) break;
  }
} finally {
  ticker.stop();
}
// #endregion
console.log(ticks, "ticks");
