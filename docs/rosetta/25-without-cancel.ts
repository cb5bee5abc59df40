/** WithoutCancel */
import {
  context,
  type Context,
  time,
} from "headgate";

const user = context.key<string>("user");
const [request, leave] = context.withCancel(
  context.withValue(
    context.background(),
    user,
    "ada",
  ),
);
const write = async (ctx: Context) => {
  await time.sleep(0, ctx);
  console.log(ctx.value(user), "has left");
};
// #region show
leave(); // the client closes the connection
const [ctx, cancel] = context.withTimeout(
  context.withoutCancel(request),
  1_000,
);
using _ = cancel;
await write(ctx);
// #endregion
