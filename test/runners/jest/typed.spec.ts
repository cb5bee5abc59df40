import { expect, test } from "@jest/globals";
import { Chan, context, errgroup } from "headgate";
import { bubble } from "headgate/testing";

test("a test in TypeScript, by ts-jest", async () => {
  await bubble(async (t) => {
    const [group, ctx] = errgroup.withContext(t.ctx);
    const ch = new Chan<number>(1);
    await group.go(async () => await ch.send(1, ctx));
    const [value, ok] = await ch.recv();
    expect([value, ok]).toEqual([1, true]);
    await group.wait();
  });
  expect(context.background().err()).toBeUndefined();
});
