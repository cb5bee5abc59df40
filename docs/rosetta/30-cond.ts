/** sync.Cond */
import { context, go, sync } from "headgate";

const ctx = context.background();
let ready = false;
// #region show
const mu = new sync.Mutex();
const changed = new sync.Cond(mu);
go(async () => {
  using _ = await mu.lock();
  ready = true;
  changed.broadcast();
});
{
  using _ = await mu.lock();
  while (!ready) await changed.wait(ctx);
}
// #endregion
console.log("ready");
