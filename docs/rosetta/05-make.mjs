/** make(chan T) */
// #region show
const stream = (highWaterMark) =>
  new TransformStream(undefined, { highWaterMark });
const unbuffered = stream(0).writable.getWriter();
const buffered = stream(2).writable.getWriter();
console.log(
  unbuffered.desiredSize,
  buffered.desiredSize,
);
// #endregion
