/**
 * The language features of Go that headgate brings: names only. Read `chan.ts` and `select.ts`.
 */
export { Chan, ClosedChannel, go, nil, type Recv, type RecvChan, type SendChan } from "./chan.ts";
export { type Cases, select, type Selected, type SendCase, sending, trySelect } from "./select.ts";
