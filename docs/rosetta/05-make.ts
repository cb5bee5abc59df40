/** make(chan T) */
import { Chan } from "headgate";

// #region show
const unbuffered = new Chan<string>();
const buffered = new Chan<string>(2);
console.log(unbuffered.capacity, buffered.capacity);
// #endregion
