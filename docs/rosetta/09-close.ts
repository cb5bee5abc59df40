/** close releases all that wait */
import { Chan, sync } from "headgate";

const wg = new sync.WaitGroup();
let started = 0;
// #region show
const start = new Chan<never>();
for (let i = 0; i < 3; i++) {
  wg.go(async () => {
    await start.recv();
    started++; // one thread: no lock
  });
}
start.close();
// #endregion
await wg.wait();
console.log(started, "have started");
