/** The go statement */
import { Chan, go } from "headgate";

// #region show
const done = new Chan<string>();
go(() => done.send("hello from a task"));
const [text] = await done.recv();
console.log(text);
// #endregion
