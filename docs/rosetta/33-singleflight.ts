/** singleflight.Group */
import {
  context,
  singleflight,
  time,
} from "headgate";

const ctx = context.background();
let calls = 0;
const load = async () => {
  await time.sleep(1);
  calls++;
  return "ada";
};
// #region show
const users = new singleflight.Group<
  string,
  string
>();
const { value, shared } = await users.do(
  "7",
  load,
  ctx,
);
console.log(value, shared);
// #endregion
if (calls !== 1) throw new Error("called again");
