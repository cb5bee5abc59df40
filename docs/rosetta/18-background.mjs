/** Background, TODO, and ctx as the first parameter */
import { setTimeout as sleep } from "node:timers/promises";

// #region show
async function load(id, { signal } = {}) {
  await sleep(1, undefined, { signal });
  return `user ${id}`;
}
const user = await load(7);
const friend = await load(8);
// #endregion
console.log(`${user},`, friend);
