/** The loop over select and ctx.Done() */
import {
  Chan,
  context,
  select,
  time,
} from "headgate";

const ctx = context.background();
const jobs = new Chan<string>(3);
for (const job of ["a", "b", "c"])
  jobs.trySend(job);
jobs.close();
let n = 0;
const handle = (_job: string) => n++;
const report = () => {};
const ticker = new time.Ticker(60_000);
// #region show
async function work() {
  for (;;) {
    const got = await select(
      { jobs, tick: ticker.c },
      ctx, // at its end, ctx.err() is thrown
    );
    if (got.case === "tick") report();
    else if (got.ok) handle(got.value);
    else return;
  }
}
// #endregion
await work();
ticker.stop();
console.log(n, "jobs");
