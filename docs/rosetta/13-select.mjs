/** select, receiving */

async function* of(...values) {
  yield* values;
}
const never = { next: () => new Promise(() => {}) };
const [mails, calls] = [of("hello"), never];
// #region show
const named = async (name, source) => {
  const { value } = await source.next();
  return [name, value];
};
const [name, value] = await Promise.race([
  named("mail:", mails),
  named("call:", calls),
]);
console.log(name, value);
// #endregion
