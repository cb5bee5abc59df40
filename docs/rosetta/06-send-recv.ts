/** Send and receive */
import { Chan, go } from "headgate";

// #region show
const ch = new Chan<string>();
go(() => ch.send("ping"));
const [message] = await ch.recv();
console.log(message);
// #endregion
