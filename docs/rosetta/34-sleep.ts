/** time.Sleep */
import { context, time } from "headgate";

const ctx = context.background();
// #region show
await time.sleep(1, ctx);
console.log("awake");
// #endregion
