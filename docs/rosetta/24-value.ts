/** WithValue, Value */
import { context } from "headgate";

const parent = context.background();
// #region show
const key = context.key<string>("user");
const ctx = context.withValue(parent, key, "ada");
const user = ctx.value(key);
console.log(user);
// #endregion
