/** sync.Once */
import { sync } from "headgate";

let loads = 0;
const load = () => ++loads;
// #region show
const config = sync.once(load);
config();
config();
// #endregion
console.log("loaded", loads, "time");
