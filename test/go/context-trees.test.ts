/**
 * What Go's tests of context pin with trees and chains made at random.
 */
import { describe, expect, it } from "vitest";
import { type Context, context, go } from "headgate";
import { elapse, timersSet, virtualTime } from "../support/clock.ts";
import { dice } from "../support/random.ts";

const { background, Canceled, cause, DeadlineExceeded, withCancel, withTimeout, withValue } = context;

const HOUR = 3_600_000;

virtualTime();

/** Asserts that contexts are done, with one error, or that they are not. */
function expectDone(err: typeof Canceled | typeof DeadlineExceeded, ...all: Context[]): void {
  for (const ctx of all) {
    expect(ctx.err()).toBeInstanceOf(err);
    expect(ctx.done().tryRecv()).toEqual([undefined, false]);
  }
}
function expectOpen(...all: Context[]): void {
  for (const ctx of all)
    expect([ctx.err(), ctx.done().tryRecv(), cause(ctx)]).toEqual([undefined, undefined, undefined]);
}

describe("cancelling", () => {
  it("everywhere at once ends everything (C11) [context/x_test.go TestSimultaneousCancels]", async () => {
    const roll = dice(42);
    const [root, cancelRoot] = withCancel(background());
    const all: Context[] = [root];
    const cancels: (() => void)[] = [cancelRoot];
    while (all.length < 100) {
      const [child, cancel] = withCancel(all[roll(all.length)]!);
      all.push(child);
      cancels.push(cancel);
    }
    const finished = Promise.all(all.map((ctx) => ctx.done().recv()));
    while (cancels.length > 0) {
      const [cancel] = cancels.splice(roll(cancels.length), 1);
      go(cancel!);
      if (roll(3) === 0) await Promise.resolve();
    }
    expect(await finished).toEqual(all.map(() => [undefined, false]));
    expectDone(Canceled, ...all);
  });
});

describe("a chain of random layers", () => {
  /** Values, cancels and timers on top of each other, thirty or more. */
  function layers(
    seed: number,
    ms: number,
  ): { leaf: Context; cancels: (() => void)[]; values: [context.Key<number>, number][] } {
    const roll = dice(seed);
    const cancels: (() => void)[] = [];
    const values: [context.Key<number>, number][] = [];
    let leaf = background();
    let timers = 0;
    for (let i = 0; i < 200 && (i < 30 || cancels.length === 0 || timers === 0); i++) {
      const kind = roll(3);
      if (kind === 0) {
        const key = context.key<number>(`k${i}`);
        values.push([key, i]);
        leaf = withValue(leaf, key, i);
      } else {
        const [child, cancel] = kind === 1 ? withCancel(leaf) : withTimeout(leaf, ms + i);
        if (kind === 2) timers++;
        cancels.push(cancel);
        leaf = child;
      }
    }
    expect(String(leaf)).toMatch(/^context\.Background\.With/);
    return { leaf, cancels, values };
  }
  const seeds = Array.from({ length: 20 }, (_, i) => i + 1);

  it("is finished by any of its cancels (C10, C63) [context/x_test.go TestLayersCancel]", () => {
    for (const seed of seeds) {
      const { leaf, cancels, values } = layers(seed, 1000 * HOUR);
      const check = (): void =>
        expect(values.map(([key]) => leaf.value(key))).toEqual(values.map(([, value]) => value));
      expectOpen(leaf);
      check();
      cancels[dice(seed * 7)(cancels.length)]!();
      expectDone(Canceled, leaf);
      check();
      for (const cancel of cancels) cancel();
      expect(timersSet()).toBe(0);
    }
  });

  it("is finished by the first of its timers (C44, C63) [context/x_test.go TestLayersTimeout]", async () => {
    for (const seed of seeds) {
      const { leaf, cancels, values } = layers(seed, 1);
      expectOpen(leaf);
      await elapse(300);
      expectDone(DeadlineExceeded, leaf);
      expect(values.map(([key]) => leaf.value(key))).toEqual(values.map(([, value]) => value));
      for (const cancel of cancels) cancel();
      expect(timersSet()).toBe(0);
    }
  });
});
