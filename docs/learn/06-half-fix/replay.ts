/** One schedule of the usual repair, again. */
// #region replay
import { explore } from "headgate/testing";
import { handledOnce } from "../scenarios/queue.ts";
import { usualRepair } from "./broken.ts";

/** For a debugger, or with a line of yours in the program. */
export const again = () => explore(handledOnce(usualRepair), { replay: "0!c6" });
// #endregion
