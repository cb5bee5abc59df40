/** errors.Is(err, context.Canceled) */
import { context, time } from "headgate";

const [ctx, cancel] = context.withCancel(
  context.background(),
);
cancel();
const work = time.sleep.bind(undefined, 1);
// #region show
const err = await work(ctx).catch((err) => {
  if (!(err instanceof context.Canceled)) throw err;
  return err;
});
console.log("cancelled:", err !== undefined);
// #endregion
