import type { Report } from "headgate/worker";

/** The account in words, such as "3 pulled: 1 acked, 2 retried". */
export function account(report: Report | undefined): string {
  if (report === undefined) return "the worker has not returned";
  const parts = (["acked", "retried", "released", "dead", "expired"] as const)
    .filter((verdict) => report[verdict] > 0)
    .map((verdict) => `${report[verdict]} ${verdict}`);
  return `${report.pulled} pulled: ${parts.join(", ")}`;
}
