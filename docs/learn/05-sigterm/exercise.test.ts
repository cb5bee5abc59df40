import { explore } from "headgate/testing";
import { it } from "vitest";
import { handledOnce } from "../scenarios/queue.ts";
import { run } from "./exercise.ts";

it("handles no message twice, wherever it is stopped", async () => {
  await explore(handledOnce(run), { search: false });
});
