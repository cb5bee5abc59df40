/** errgroup with SetLimit */
import { context, errgroup, time } from "headgate";

let pages = 0;
const load = async () => {
  await time.sleep(1);
  pages++;
};
// #region show
const [group] = errgroup.withContext(
  context.background(),
);
group.setLimit(2);
for (let i = 0; i < 5; i++) {
  await group.go(load); // waits for a slot
}
await group.wait();
// #endregion
console.log(pages, "pages");
