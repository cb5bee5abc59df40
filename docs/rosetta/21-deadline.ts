/** WithDeadline and Deadline() */
import { context, time } from "headgate";

// #region show
const at = time.now() + 60_000;
const [ctx, cancel] = context.withDeadline(
  context.background(),
  at,
);
using _ = cancel;
const [child, cancelChild] = context.withTimeout(
  ctx,
  3_600_000,
);
using __ = cancelChild;
const cut = child.deadline() === at;
// #endregion
console.log("an hour is cut to a minute:", cut);
