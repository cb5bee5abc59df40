/**
 * Go's language features: channels, `select` and `go`. This file has only names; read `chan.ts`, `select.ts` and
 * `go.ts`.
 */
export { Chan, ClosedChannel, nil } from "./chan.ts";
export { go } from "./go.ts";
export { sendAll } from "./sendall.ts";
export { type Cases, select, type Selected, type SendCase, sending, trySelect } from "./select.ts";
export type { Recv, RecvChan, SendChan } from "../types.ts";
