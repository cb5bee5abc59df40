/** sync.WaitGroup */
import { sync } from "headgate";

// #region show
const squares = [0, 0, 0];
const wg = new sync.WaitGroup();
for (const i of squares.keys()) {
  wg.go(() => {
    squares[i] = i * i;
  });
}
await wg.wait();
// #endregion
console.log(...squares);
