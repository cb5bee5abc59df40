/** A timeout in a select */
import { Chan, select, time } from "headgate";

const answers = new Chan<string>();
// #region show
const got = await select({
  answers,
  late: time.after(5),
});
if (got.case === "answers") console.log(got.value);
else console.log("too late");
// #endregion
