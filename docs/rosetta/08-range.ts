/** range over a channel */
import { Chan, go } from "headgate";

// #region show
const ch = new Chan<number>();
go(async () => {
  for (const n of [1, 2, 3]) await ch.send(n);
  ch.close();
});
let sum = 0;
for await (const n of ch) sum += n;
// #endregion
console.log("sum", sum);
