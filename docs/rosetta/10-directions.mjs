/** chan<- T and <-chan T */
// #region show
async function produce(writable) {
  const out = writable.getWriter();
  await out.write(1);
  await out.write(2);
  await out.close();
}
async function consume(readable) {
  const inp = readable.getReader();
  const [a, b] = [
    await inp.read(),
    await inp.read(),
  ];
  console.log(a.value, b.value);
}
const ch = new TransformStream();
void produce(ch.writable);
await consume(ch.readable);
// #endregion
