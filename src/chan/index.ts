/**
 * The language features of Go that headgate brings: names only. Read `chan.ts`, `go.ts` and `select.ts`.
 */
export { Chan, ClosedChannel, nil } from "./chan.ts";
export { go } from "./go.ts";
export { sendAll } from "./sendall.ts";
export { type Cases, select, type Selected, type SendCase, sending, trySelect } from "./select.ts";
export type { Recv, RecvChan, SendChan } from "../types.ts";
