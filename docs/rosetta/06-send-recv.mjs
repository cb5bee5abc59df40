/** Send and receive */
// #region show
const ch = new TransformStream();
void ch.writable.getWriter().write("ping");
const reader = ch.readable.getReader();
const { value: message } = await reader.read();
console.log(message);
// #endregion
