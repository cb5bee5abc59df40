/** WithDeadline and Deadline() */
// #region show
const at = Date.now() + 60_000;
const outer = {
  signal: AbortSignal.timeout(60_000),
  at,
};
const inner = {
  signal: AbortSignal.any([
    outer.signal,
    AbortSignal.timeout(3_600_000),
  ]),
  at: Math.min(outer.at, Date.now() + 3_600_000),
};
const cut = inner.at === at;
// #endregion
console.log("an hour is cut to a minute:", cut);
