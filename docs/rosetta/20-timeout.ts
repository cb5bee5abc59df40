/** WithTimeout */
import {
  context,
  type Context,
  time,
} from "headgate";

const work = (ctx: Context) =>
  time.sleep(60_000, ctx);
const parent = context.background();
// #region show
const [ctx, cancel] = context.withTimeout(
  parent,
  5,
);
using _ = cancel;
const err = await work(ctx).catch((err) => err);
const late =
  err instanceof context.DeadlineExceeded;
console.log("too late:", late);
// #endregion
