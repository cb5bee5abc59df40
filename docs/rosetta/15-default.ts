/** default, receiving and sending */
import { Chan, sending, trySelect } from "headgate";

const mails = new Chan<string>();
const out = new Chan<number>();
// #region show
let said = "neither";
const got = trySelect({
  mails,
  out: sending(out, 42),
});
if (got?.case === "mails") said = got.value ?? "";
else if (got?.case === "out") said = "sent";
const full = !out.trySend(43); // for one channel
// #endregion
console.log(`${said}, full:`, full);
