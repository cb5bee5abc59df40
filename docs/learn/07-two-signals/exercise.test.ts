import { explore } from "headgate/testing";
import { it } from "vitest";
import { leavesNothing } from "../scenarios/queue.ts";
import { run } from "./exercise.ts";

it("leaves no message to its lease, wherever it is stopped", async () => {
  await explore(leavesNothing(run), { search: false });
});
