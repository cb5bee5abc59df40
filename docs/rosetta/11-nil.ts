/** A nil channel switches a case off */
import {
  Chan,
  nil,
  type RecvChan,
  select,
} from "headgate";

function of(...values: number[]): RecvChan<number> {
  const ch = new Chan<number>(values.length);
  for (const value of values) ch.trySend(value);
  ch.close();
  return ch;
}
let [a, b, sum] = [of(1, 2), of(3, 4), 0];
// #region show
while (a !== nil || b !== nil) {
  const got = await select({ a, b });
  if (got.ok) sum += got.value;
  else if (got.case === "a") a = nil;
  else b = nil;
}
// #endregion
console.log("sum", sum);
