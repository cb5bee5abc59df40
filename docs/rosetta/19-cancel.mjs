/** WithCancel, defer cancel() */
import { once } from "node:events";

const parent = new AbortController().signal;
// #region show
const controller = new AbortController();
const signal = AbortSignal.any([
  parent,
  controller.signal,
]);
queueMicrotask(() => controller.abort());
await once(signal, "abort");
console.log("ended:", signal.aborted);
// #endregion
