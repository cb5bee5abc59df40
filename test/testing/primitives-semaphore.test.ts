/**
 * The weighted semaphore, cancelled at every point and in many orders: permits are neither lost nor made, nobody
 * overtakes, and whoever gives up leaves nobody stuck.
 */
import assert from "node:assert/strict";
import { Chan, type Context, context, semaphore, time } from "headgate";
import { explore } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { together, under } from "./tasks.ts";

describe("Weighted", () => {
  /** A semaphore of 3, and what is held of it according to those who hold it. */
  class Permits {
    readonly sem = new semaphore.Weighted(3);
    private held = 0;

    async use(n: number, ctx: Context, stay: () => Promise<unknown>): Promise<void> {
      await this.sem.acquire(n, ctx);
      try {
        this.held += n;
        assert(this.held <= 3);
        await stay();
      } finally {
        this.held -= n;
        this.sem.release(n);
      }
    }

    /** Who tries gets it exactly if nobody waits and there is enough, and gives it back. */
    tryOne(): void {
      const [, inUse, waiting] = /\((\d)\/3(, \d waiting)?\)/.exec(String(this.sem))!;
      const isFree = waiting === undefined && Number(inUse) < 3;
      expect(this.sem.tryAcquire()).toBe(isFree);
      if (isFree) this.sem.release();
    }

    mustBeFree(): void {
      expect(String(this.sem)).toBe("semaphore.Weighted(0/3)");
    }
  }

  it("never gives more than it has, keeps nothing of who gives up, and lets nobody overtake (M1, M6)", () =>
    explore(async (t) => {
      const permits = new Permits();
      const [own, cancel] = context.withCancel(t.ctx);
      const stay = (): Promise<void> => t.yield();
      await together(
        () => under(t.ctx, () => permits.use(2, t.ctx, () => time.sleep(1, t.ctx))),
        () => under(own, () => permits.use(3, own, stay)),
        () => under(t.ctx, () => permits.use(1, t.ctx, stay)),
        () => under(t.ctx, () => permits.use(2, t.ctx, stay)),
        () => permits.tryOne(),
        cancel,
      );
      permits.mustBeFree();
    }));

  it("lets in the small one behind a big one who gives up, while others still hold theirs (M4)", () =>
    explore(async (t) => {
      const permits = new Permits();
      const [own, cancel] = context.withCancel(t.ctx);
      const passed = new Chan<never>();
      await together(
        // Holds until the small one has passed: if the big one kept it out for ever, nobody would ever leave.
        () => under(t.ctx, () => permits.use(2, t.ctx, () => passed.recv(t.ctx))),
        () => under(own, () => permits.use(3, own, () => t.yield())),
        () => under(t.ctx, () => permits.use(1, t.ctx, async () => passed.close())),
        async () => {
          await time.sleep(1);
          cancel();
        },
      );
      permits.mustBeFree();
    }));

  it("lets in nobody who gives up together with the one he waits behind", () =>
    explore(async (t) => {
      const { sem } = new Permits();
      const [own, cancel] = context.withCancel(t.ctx);
      const [below] = context.withCancel(own);
      expect(sem.tryAcquire(2)).toBe(true);
      await together(
        () => under(own, () => sem.acquire(3, own)),
        () => under(below, () => sem.acquire(1, below).then(() => sem.release(1))),
        async () => {
          await t.yield();
          const before = String(sem);
          cancel();
          expect(String(sem)).toBe(before.replace(/, \d waiting/, ""));
        },
      );
      expect(String(sem)).toBe("semaphore.Weighted(2/3)");
    }));

  it("keeps one who asks for more than there is waiting for his context, in nobody's way (M3)", () =>
    explore(
      async (t) => {
        const permits = new Permits();
        const [own, cancel] = context.withTimeout(t.ctx, 10);
        using _ = cancel;
        await together(
          async () => expect(await under(own, () => permits.use(4, own, () => t.yield()))).toBe(false),
          () => under(t.ctx, () => permits.use(3, t.ctx, () => t.yield())),
          () => under(t.ctx, () => permits.use(3, t.ctx, () => t.yield())),
          () => permits.tryOne(),
        );
        permits.mustBeFree();
      },
      { timers: "any" },
    ));
});
