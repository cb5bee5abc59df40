/** WithCancelCause, Cause */
import { context } from "headgate";

// #region show
const [ctx, cancel] = context.withCancelCause(
  context.background(),
);
cancel(new Error("disk full"));
const why = context.cause(ctx) as Error;
console.log(why.message);
// #endregion
