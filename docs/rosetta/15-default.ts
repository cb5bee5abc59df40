/** default */
import { Chan, trySelect } from "headgate";

const ch = new Chan<string>();
// #region show
const got = trySelect({ ch });
if (got !== undefined) console.log(got.value);
else console.log("nothing yet");
// #endregion
