/** singleflight.Group */
import { singleflight, time } from "headgate";

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
await Promise.all([
  users.do("7", load),
  users.do("7", load),
]);
// #endregion
console.log("2 callers,", calls, "call");
