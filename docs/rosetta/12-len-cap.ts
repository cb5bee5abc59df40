/** len(ch), cap(ch) */
import { Chan } from "headgate";

// #region show
const ch = new Chan<string>(2);
await ch.send("a");
console.log(ch.length, ch.capacity);
// #endregion
