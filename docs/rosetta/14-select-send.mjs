/** select, sending */
import { once } from "node:events";

const out =
  new TransformStream().writable.getWriter();
const { signal } = new AbortController();
// #region show
await Promise.race([
  out.ready,
  once(signal, "abort"),
]);
if (signal.aborted) {
  console.log("stopped");
} else {
  void out.write(42);
  console.log("sent");
}
// #endregion
