/** sync.Cond */
import { go, sync } from "headgate";

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
  while (!ready) await changed.wait();
}
// #endregion
console.log("ready");
