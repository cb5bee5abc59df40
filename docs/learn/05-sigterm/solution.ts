/** Solution 5: the ack has a context that does not end with the stop, but has a deadline of its own. */
export { oneAtATime as run } from "./fixed.ts";
