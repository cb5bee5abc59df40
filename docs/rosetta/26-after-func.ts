/** AfterFunc */
import { Chan, context } from "headgate";

const [ctx, cancel] = context.withCancel(
  context.background(),
);
const closed = new Chan<string>(1);
// #region show
const stop = context.afterFunc(ctx, () => {
  closed.trySend("closed");
});
cancel();
const [text] = await closed.recv();
stop(); // if ctx lasts, it does not run
// #endregion
console.log(text);
