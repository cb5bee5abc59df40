/** sync.WaitGroup */
// #region show
const squares = await Promise.all(
  [0, 1, 2].map(async (i) => i * i),
);
// #endregion
console.log(...squares);
