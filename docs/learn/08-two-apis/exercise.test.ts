import { explore } from "headgate/testing";
import { it } from "vitest";
import { bothOrNeither } from "../scenarios/banks.ts";
import { transfer } from "./exercise.ts";

it("moves the money at both banks or at neither, wherever it is stopped", async () => {
  await explore(bothOrNeither(transfer), { search: false });
});
