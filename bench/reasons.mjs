/**
 * Why a rival is faster, or a target is missed, in a row: one sentence by the id of the row, which docs/benchmarks.md puts beside the
 * figures. What has no reason here has none that we know.
 */
export const reasons = {};
