/**
 * The programs that the page runs, for its tests in Node: a result there is what the page must show.
 */
export { record } from "headgate/testing";
export { newBankBooks, newBooks, transfers, workers } from "../../learn/scenarios/index.ts";
export { bugs } from "../../../test/testing/bugs/index.ts";
export { regionOf, Lines, opOf } from "../src/stop/code.ts";
export { entries } from "../src/schedule/bugs.ts";
export { litLines } from "../src/schedule/listing.ts";
export { transfer } from "../src/stop/transfer.ts";
export { worker } from "../src/stop/worker.ts";
export { DEFAULTS } from "../src/stop/setting.ts";
export { text } from "../src/text.ts";
