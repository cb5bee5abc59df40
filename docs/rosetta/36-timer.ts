/** time.AfterFunc, Timer.Stop */
import { time } from "headgate";

const remind = () => {
  throw new Error("too early");
};
// #region show
const timer = time.afterFunc(60_000, remind);
const inTime = timer.stop();
// #endregion
console.log("stopped in time:", inTime);
