/**
 * `headgate/worker/metrics`: names only. Read `metrics.ts` (what is counted), then `text.ts` (how it is written).
 */
export { metrics, type Metrics, type MetricsOptions } from "./metrics.ts";
