/** len(ch), cap(ch) */
// #region show
const highWaterMark = 2;
const ch = new TransformStream(undefined, {
  highWaterMark,
});
const writer = ch.writable.getWriter();
void writer.write("a");
const length = highWaterMark - writer.desiredSize;
console.log(length, highWaterMark);
// #endregion
