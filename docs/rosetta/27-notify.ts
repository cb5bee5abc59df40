/** signal.NotifyContext */
import { context } from "headgate";
import { notifyContext } from "headgate/signal";

// #region show
const [ctx, stop] = notifyContext(
  context.background(),
  "SIGTERM",
);
using _ = stop;
// #endregion
const [alive, release] = context.withTimeout(
  context.background(),
  60_000,
);
process.kill(process.pid, "SIGTERM");
await ctx.done().recv(alive);
release();
console.log("stopping");
