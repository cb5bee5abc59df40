/**
 * `headgate/worker`: names only. Read `source.ts` (the contract), then `worker.ts`.
 */
export { LeaseExpired, LeaseLost, Stopping } from "./causes.ts";
export { memoryBroker } from "./memory.ts";
export type { DeadLetter, MemoryBroker, MemoryBrokerOptions, PublishOptions } from "./memory.ts";
export type { WorkerOptions } from "./options.ts";
export type { Leftover, Phase, Progress, Report, SourceErrors, WorkerEvent } from "./report.ts";
export type { Dead, Delivery, Handler, Nack, Source, Verdict } from "./source.ts";
export { worker } from "./worker.ts";

import { retry } from "../index.ts";

/** Thrown by a handler: no further attempt will mend this. The same class as `retry.Permanent`. */
export const Permanent: typeof retry.Permanent = /* @__PURE__ */ (() => retry.Permanent)();
/** An error of the class {@link Permanent}. */
export type Permanent = retry.Permanent;
