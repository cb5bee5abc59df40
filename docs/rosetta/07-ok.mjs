/** v, ok := <-ch */
// #region show
const ch = new TransformStream();
const writer = ch.writable.getWriter();
void writer.write("last");
void writer.close();
const reader = ch.readable.getReader();
const { value: v, done } = await reader.read();
const { done: closed } = await reader.read();
console.log(v, !done, !closed);
// #endregion
