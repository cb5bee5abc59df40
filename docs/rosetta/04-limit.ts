/** errgroup with SetLimit */
import { errgroup, time } from "headgate";

let pages = 0;
const load = async () => {
  await time.sleep(1);
  pages++;
};
// #region show
const group = new errgroup.Group();
group.setLimit(2);
for (let i = 0; i < 5; i++) {
  await group.go(load); // waits for a slot
}
await group.wait();
// #endregion
console.log(pages, "pages");
