/** select, sending */
import {
  Chan,
  context,
  select,
  sending,
} from "headgate";

const out = new Chan<number>(1);
const ctx = context.background();
// #region show
const got = await select({
  sent: sending(out, 42),
  stopped: ctx.done(),
});
console.log(got.case);
// #endregion
