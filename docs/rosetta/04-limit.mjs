/** errgroup with SetLimit */
import { setTimeout as sleep } from "node:timers/promises";

let pages = 0;
const load = async () => {
  await sleep(1);
  pages++;
};
// #region show
const todo = [1, 2, 3, 4, 5].values();
const work = async () => {
  for (const n of todo) await load(n);
};
await Promise.all([work(), work()]);
// #endregion
console.log(pages, "pages");
