/** Background, TODO, and ctx as the first parameter */
import {
  context,
  type Context,
  time,
} from "headgate";

// #region show
async function load(ctx: Context, id: number) {
  await time.sleep(1, ctx); // throws ctx.err() at the end
  return `user ${id}`;
}
const user = await load(context.background(), 7);
const friend = await load(context.todo(), 8);
// #endregion
console.log(`${user},`, friend);
