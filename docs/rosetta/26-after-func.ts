/** AfterFunc */
import { Chan, context } from "headgate";

const [ctx, cancel] = context.withCancel(
  context.background(),
);
// #region show
const closed = new Chan<string>(1);
const stop = context.afterFunc(ctx, () => {
  closed.trySend("closed");
});
try {
  cancel();
  console.log((await closed.recv())[0]);
} finally {
  stop(); // prevents the run, if ctx has not ended
}
// #endregion
