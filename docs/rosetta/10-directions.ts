/** chan<- T and <-chan T */
import {
  Chan,
  go,
  type RecvChan,
  type SendChan,
} from "headgate";

// #region show
async function produce(out: SendChan<number>) {
  await out.send(1);
  await out.send(2);
  out.close();
}
async function consume(inp: RecvChan<number>) {
  const [[a], [b]] = [
    await inp.recv(),
    await inp.recv(),
  ];
  console.log(a, b);
}
const ch = new Chan<number>();
go(() => produce(ch));
await consume(ch);
// #endregion
