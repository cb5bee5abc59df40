/** ts-chan, set not to give way to timers and I/O. */
import { contender, notes as both } from "./ts-chan.mjs";

export { largest } from "./ts-chan.mjs";

export const name = "ts-chan, unsafe";

export const { programs, lateness } = contender(true);

export const notes = { ...both, lateness: "starves the timer until it is stopped, after 1 s" };
