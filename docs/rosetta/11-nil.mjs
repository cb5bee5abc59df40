/** A nil channel switches a case off */

async function* of(...values) {
  yield* values;
}
const [a, b] = [of(1, 2), of(3, 4)];
let sum = 0;
// #region show
const drain = async (source) => {
  for await (const v of source) sum += v;
};
await Promise.all([drain(a), drain(b)]);
// #endregion
console.log("sum", sum);
