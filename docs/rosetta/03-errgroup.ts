/** errgroup.WithContext */
import { context, errgroup, time } from "headgate";

// #region show
const [group] = errgroup.withContext(
  context.background(),
);
void group.go(() => {
  throw new Error("page 2 is gone");
});
void group.go(
  (ctx) => time.sleep(60_000, ctx), // so this one stops
);
const err = await group.wait().catch((err) => err);
// #endregion
console.log(err.message);
