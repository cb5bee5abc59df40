/** sync.Cond */
import { EventEmitter, once } from "node:events";

let ready = false;
// #region show
const changed = new EventEmitter();
queueMicrotask(() => {
  ready = true;
  changed.emit("change");
});
while (!ready) await once(changed, "change");
// #endregion
console.log("ready");
