/** v, ok := <-ch */
import { Chan } from "headgate";

// #region show
const ch = new Chan<string>(1);
await ch.send("last");
ch.close();
const [v, ok] = await ch.recv();
const [, more] = await ch.recv();
console.log(v, ok, more);
// #endregion
