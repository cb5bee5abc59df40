import { Chan, go, time } from "headgate";
import { bubble } from "headgate/testing";
import { expect, it } from "vitest";
import { nextWithin } from "./exercise.ts";

it("returns a message that is in time", () =>
  bubble(async () => {
    const messages = new Chan<string>();
    go(() => messages.send("m1"));
    expect(await nextWithin(messages, 10)).toBe("m1");
    await time.sleep(100);
  }));

it("leaves a late message to the next receiver", () =>
  bubble(async () => {
    const messages = new Chan<string>();
    go(async function pull() {
      await time.sleep(50);
      await messages.send("m1");
      messages.close();
    });
    expect(await nextWithin(messages, 10)).toBe(undefined);
    expect(await messages.recv()).toEqual(["m1", true]);
  }));
