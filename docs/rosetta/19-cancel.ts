/** WithCancel, defer cancel() */
import { context, go } from "headgate";

const parent = context.background();
// #region show
const [ctx, cancel] = context.withCancel(parent);
using _ = cancel;
go(() => cancel());
await ctx.done().recv();
console.log("ended:", ctx.err() !== undefined);
// #endregion
