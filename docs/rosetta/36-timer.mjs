/** time.AfterFunc, Timer.Stop */

const remind = () => {
  throw new Error("too early");
};
// #region show
let fired = false;
const timer = setTimeout(() => {
  fired = true;
  remind();
}, 60_000);
clearTimeout(timer);
const inTime = !fired;
// #endregion
console.log("stopped in time:", inTime);
