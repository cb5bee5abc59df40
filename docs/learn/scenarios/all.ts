/**
 * The programs of all chapters, broken and fixed, as scenarios for `explore`.
 */
import type { Bubble } from "headgate/testing";
import { work as ignores } from "../01-one-task/broken.ts";
import { work as stops } from "../01-one-task/fixed.ts";
import { endsAtOnce } from "../01-one-task/rule.ts";
import { handOver as inOneTask } from "../02-hand-over/broken.ts";
import { handOver as inTwoTasks } from "../02-hand-over/fixed.ts";
import { ends } from "../02-hand-over/rule.ts";
import { handle as raced } from "../03-first-wins/broken.ts";
import { handle as selected } from "../03-first-wins/fixed.ts";
import { losesNothing } from "../03-first-wins/rule.ts";
import { run as withoutCtx } from "../04-together/broken.ts";
import { run as withCtx } from "../04-together/fixed.ts";
import { endsTogether } from "../04-together/rule.ts";
import { oneAtATime } from "../05-sigterm/fixed.ts";
import { drained } from "../06-half-fix/fixed.ts";
import { withWorker } from "../07-two-signals/fixed.ts";
import { transfers, workers } from "./index.ts";
import { handledOnce, leavesNothing } from "./queue.ts";

export interface Program {
  /** Its chapter and its file, and its key in `figures.json`. */
  readonly id: string;
  /** Whether it holds wherever it is stopped. */
  readonly fixed: boolean;
  readonly scenario: (t: Bubble) => Promise<void>;
}

const scenarios: readonly Omit<Program, "fixed">[] = [
  { id: "01-one-task/broken", scenario: endsAtOnce(ignores) },
  { id: "01-one-task/fixed", scenario: endsAtOnce(stops) },
  { id: "02-hand-over/broken", scenario: ends(inOneTask) },
  { id: "02-hand-over/fixed", scenario: ends(inTwoTasks) },
  { id: "03-first-wins/broken", scenario: losesNothing(raced) },
  { id: "03-first-wins/fixed", scenario: losesNothing(selected) },
  { id: "04-together/broken", scenario: endsTogether(withoutCtx) },
  { id: "04-together/fixed", scenario: endsTogether(withCtx) },
  { id: "05-sigterm/fixed", scenario: handledOnce(oneAtATime) },
  { id: "06-half-fix/fixed", scenario: handledOnce(drained) },
  { id: "07-two-signals/broken", scenario: leavesNothing(drained) },
  { id: "07-two-signals/fixed/strict", scenario: leavesNothing(withWorker) },
  ...workers.map(({ id, run }) => ({ id, scenario: (t: Bubble) => run(t) })),
  ...transfers.map(({ id, run }) => ({ id, scenario: (t: Bubble) => run(t) })),
];

/** All programs, by their chapters. */
export const programs: readonly Program[] = scenarios
  .map((one) => ({ ...one, fixed: one.id.includes("/fixed") }))
  .sort((a, b) => (a.id < b.id ? -1 : 1));
