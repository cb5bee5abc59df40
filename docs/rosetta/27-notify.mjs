/** signal.NotifyContext */
import { once } from "node:events";
// #region show
const stop = new AbortController();
const onSignal = () => stop.abort();
process.once("SIGTERM", onSignal);
// #endregion
const alive = setTimeout(() => {}, 60_000);
process.kill(process.pid, "SIGTERM");
await once(stop.signal, "abort");
clearTimeout(alive);
process.off("SIGTERM", onSignal);
console.log("stopping");
