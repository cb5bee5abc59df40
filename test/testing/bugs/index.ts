/**
 * The catalogue: bugs of shutdown, cancellation and order that real programs have had, each with its repair. In none of
 * them does the plain order show anything, so an ordinary test passes.
 */
import type { Bug } from "./bug.ts";
import { pipelines } from "./pipelines.ts";
import { sharing } from "./sharing.ts";
import { stopping } from "./stopping.ts";
import { verdicts } from "./verdicts.ts";

export type { Bug } from "./bug.ts";

export const bugs: readonly Bug[] = [...verdicts, ...stopping, ...sharing, ...pipelines];
