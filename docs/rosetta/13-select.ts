/** select, receiving */
import { Chan, select } from "headgate";

const mails = new Chan<string>(1);
const calls = new Chan<string>();
await mails.send("hello");
// #region show
const got = await select({ mails, calls });
switch (got.case) {
  case "mails":
    console.log("mail:", got.value);
    break;
  case "calls":
    console.log("call:", got.value);
}
// #endregion
