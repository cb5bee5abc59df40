/** close releases all that wait */

let started = 0;
// #region show
let open;
const start = new Promise(
  (resolve) => (open = resolve),
);
const tasks = [1, 2, 3].map(async () => {
  await start;
  started++;
});
open();
// #endregion
await Promise.all(tasks);
console.log(started, "have started");
