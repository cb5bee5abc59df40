/**
 * How much of a processor this process gets. A program that waits for nothing has it all the time, unless others want it, too; and then
 * its times tell of them.
 */
import process from "node:process";

/** Starts to measure. Returns what tells the share since then: 1 is all of one processor; undefined where that is not known. */
export function processor() {
  const [begun, before] = [performance.now(), process.cpuUsage?.()];
  return () => {
    const used = before && process.cpuUsage(before);
    const ms = performance.now() - begun;
    // Helpers of the runtime, such as collect garbage, have processors of their own.
    return used && ms > 0 ? Math.min(1, (used.user + used.system) / 1000 / ms) : undefined;
  };
}

/** How many ms it takes to find out whether a processor is free. */
const PROBE = 20;

/** The share that this process gets now, for programs that wait for others, and so say nothing of it themselves. */
export function shareNow() {
  const share = processor();
  const end = performance.now() + PROBE;
  while (performance.now() < end);
  return share();
}
