/** default, receiving and sending */

const mails = [];
const stream = new TransformStream(undefined, {
  highWaterMark: 0,
});
const out = stream.writable.getWriter();
// #region show
let said = "neither";
if (mails.length > 0) said = mails.shift();
else if (out.desiredSize > 0) {
  void out.write(42);
  said = "sent";
}
const full = out.desiredSize <= 0;
// #endregion
console.log(`${said}, full:`, full);
