/** WithValue, Value */
import { AsyncLocalStorage } from "node:async_hooks";

// #region show
const storage = new AsyncLocalStorage();
storage.run("ada", () => {
  const user = storage.getStore();
  console.log(user);
});
// #endregion
