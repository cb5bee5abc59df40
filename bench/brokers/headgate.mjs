/** headgate, as a consumer of any source, and its settings. HEADGATE names another build of it to be measured, by the path of its `dist`. */
import process from "node:process";
import { pathToFileURL } from "node:url";
import { until } from "./job.mjs";

const dist =
  process.env.HEADGATE === undefined
    ? new URL("../../dist/", import.meta.url)
    : pathToFileURL(`${process.env.HEADGATE}/`);

export const headgate = (path) => import(new URL(path, dist));
const [{ context }, { worker }] = await Promise.all([headgate("index.js"), headgate("worker/index.js")]);

/** It as it comes, and where more is held: `note` is what it keeps and gives up, `settings` go to {@link workerOn}. */
export const both = (make, note) => [
  make({ id: "headgate", name: "headgate", note }, {}),
  make(
    {
      id: "headgate-500",
      name: "headgate, prefetch 400, batch 250",
      note: "the same; up to 500 messages are held, and up to 250 are pulled, or acked, in a call",
      kinds: ["speed"],
    },
    { prefetch: 400, batch: 250 },
  ),
];

/** A worker on a source whose bodies are JSON; `close` is what its user does when it has returned. */
export function workerOn(source, { concurrency, handle, prefetch = concurrency, batch = 100 }, close) {
  const [stop, stopNow] = context.withCancel(context.background());
  const progress = {};
  let running;
  return {
    start() {
      running = worker(stop, source, (_ctx, { body }) => handle(JSON.parse(body)), {
        concurrency,
        prefetch,
        batch,
        progress,
      });
    },
    settled: (count) => until(() => progress.acked >= count),
    async stop() {
      stopNow();
      await running;
      await close();
    },
  };
}
