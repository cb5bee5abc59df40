/** The loop over select and ctx.Done() */

async function* jobsOf(...jobs) {
  yield* jobs;
}
const { signal } = new AbortController();
const jobs = jobsOf("a", "b", "c");
let n = 0;
const handle = () => n++;
// #region show
async function work() {
  for await (const job of jobs) {
    signal.throwIfAborted();
    handle(job);
  }
}
// #endregion
await work();
console.log(n, "jobs");
