/** The loop over select and ctx.Done() */

async function* jobsOf(...jobs) {
  yield* jobs;
}
const { signal } = new AbortController();
const jobs = jobsOf("a", "b", "c");
let n = 0;
const handle = () => n++;
const report = () => {};
// #region show
async function work() {
  const ticker = setInterval(report, 60_000);
  try {
    for await (const job of jobs) {
      signal.throwIfAborted();
      handle(job);
    }
  } finally {
    clearInterval(ticker);
  }
}
// #endregion
await work();
console.log(n, "jobs");
