/** The loop over select and ctx.Done() */
import { Chan, context } from "headgate";

const ctx = context.background();
const jobs = new Chan<string>(3);
for (const job of ["a", "b", "c"])
  jobs.trySend(job);
jobs.close();
let n = 0;
const handle = (_job: string) => n++;
// #region show
async function work() {
  for await (const job of jobs.values(ctx)) {
    handle(job);
  }
}
// #endregion
await work();
console.log(n, "jobs");
