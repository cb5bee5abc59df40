/** WithoutCancel */
import { AsyncLocalStorage } from "node:async_hooks";

const storage = new AsyncLocalStorage();
const request = new AbortController();
const write = async ({ signal }) => {
  signal.throwIfAborted();
  console.log(storage.getStore(), "has left");
};
storage.enterWith("ada");
// #region show
request.abort(); // the client closes the connection
// not request.signal: one of its own
await write({ signal: AbortSignal.timeout(1_000) });
// #endregion
