/**
 * Counts the points at which a cancel breaks a scenario.
 */
import { type Bubble, record } from "headgate/testing";

/** What a cancel of `t.ctx` does to a scenario in its plain order. */
export interface Points {
  /** The number of points at which it can be cancelled. */
  readonly all: number;
  /** The errors, by the point at which the cancel leads to it. */
  readonly broken: ReadonlyMap<number, string>;
}

/** Cancels a scenario at every point of its plain order. */
export async function pointsOf(scenario: (t: Bubble) => Promise<void>): Promise<Points> {
  const { points } = await record(scenario);
  const broken = new Map<number, string>();
  for (let point = 1; point <= points; point++) {
    const { error } = await record(scenario, `0!c${point}`);
    if (error !== undefined) broken.set(point, String(error));
  }
  return { all: points, broken };
}
