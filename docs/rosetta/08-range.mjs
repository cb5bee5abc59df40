/** range over a channel */
// #region show
async function* numbers() {
  for (const n of [1, 2, 3]) yield n;
}
let sum = 0;
for await (const n of numbers()) sum += n;
// #endregion
console.log("sum", sum);
