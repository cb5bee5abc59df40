/**
 * A message that is pulled while its lane goes back: an earlier message of its key was retried, and the broker has not
 * answered yet. The message must go back, too, wherever the worker is stopped (I10). The scenario is in `explore-keys.ts`.
 */
import { explore, ScheduleError } from "headgate/testing";
import { type Source, worker } from "headgate/worker";
import { expect, it } from "vitest";
import type { D } from "./explore-keys-broker.ts";
import { scenario } from "./explore-keys.ts";

const mode = "a message comes while its lane goes back";
const options = { search: false, microtasks: 0 } as const;

/** A worker that takes a nack as answered as soon as it is sent. */
const hasty: typeof worker<D> = (stop, source, handle, options) => {
  const nack: Source<D>["nack"] = async (ctx, items) => {
    void source.nack(ctx, items).catch(() => {});
  };
  return worker(stop, Object.assign(Object.create(source) as Source<D>, { nack }), handle, options);
};

it("a message that comes while its lane goes back is not handled before the lane has gone back, wherever the worker is stopped (I10)", async () => {
  const outcomes = new Set<string>();
  const report = await explore(scenario(mode, { outcome: (what) => outcomes.add(what) }), options);
  expect(report.complete).toBe(true);
  expect([...outcomes]).toEqual(expect.arrayContaining(["source ended", "cancelled", "acked", "retried", "released"]));
});

it("a worker that does not wait for the answer to a nack is found out (I10)", async () => {
  const error: unknown = await explore(scenario(mode, { worker: hasty }), options).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(ScheduleError);
  expect((error as ScheduleError).message).toMatch(/message a2 was started past message a1 \(I10\)/);
});
