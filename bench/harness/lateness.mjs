/**
 * The lateness of a timer beside a busy loop that waits only for itself. Many loops would keep the timer waiting for ever. So they are
 * stopped after a second, and that second is the result.
 */
const PATIENCE = 1000;

/** `keepBusy` gets a function that says whether it is over, to be asked before each operation; how late each timer was, in ms. */
export async function latenessBeside(keepBusy, ms, rounds) {
  let isOver = false;
  let asked = 0;
  let end = performance.now() + ms + PATIENCE;
  const mayEnd = () => {
    if ((++asked & 63) === 0 && performance.now() > end) isOver = true;
    return isOver;
  };
  // Once the first timer has been set.
  const busy = Promise.resolve().then(() => keepBusy(mayEnd));
  const late = [];
  while (late.length < rounds && !isOver) {
    const begun = performance.now();
    end = begun + ms + PATIENCE;
    await new Promise((resolve) => setTimeout(resolve, ms));
    late.push(performance.now() - begun - ms);
  }
  isOver = true;
  await busy;
  return late;
}
