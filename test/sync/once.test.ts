import { sync } from "headgate";
import { describe, expect, it } from "vitest";

describe("once", () => {
  it("runs the function on the first call, not before, and gives each call the same value (L13)", () => {
    let ran = 0;
    const value = sync.once(() => ({ run: ++ran }));
    expect(ran).toBe(0);
    const first = value();
    expect(first).toEqual({ run: 1 });
    expect(value()).toBe(first);
    expect(ran).toBe(1);
  });

  it("remembers undefined, too", () => {
    let ran = 0;
    const value = sync.once(() => void ran++);
    expect([value(), value(), ran]).toEqual([undefined, undefined, 1]);
  });

  it.each([new Error("boom"), undefined, null, 0])(
    "throws the same %s each time, and runs the function once (L14)",
    (error) => {
      let ran = 0;
      const value = sync.once(() => {
        ran++;
        throw error;
      });
      for (let i = 0; i < 2; i++) {
        let caught: unknown = "nothing";
        try {
          value();
        } catch (thrown) {
          caught = thrown;
        }
        expect(caught).toBe(error);
      }
      expect(ran).toBe(1);
    },
  );

  it("gives each call the one promise of an async function, be it rejected (L13, L14)", async () => {
    let ran = 0;
    const load = sync.once(async () => {
      ran++;
      throw new Error("boom");
    });
    expect(load()).toBe(load());
    await expect(load()).rejects.toThrow("boom");
    await expect(load()).rejects.toThrow("boom");
    expect(ran).toBe(1);
  });

  it("throws to a function that calls itself by way of it, where Go would wait for ever (L15)", () => {
    const value: () => number = sync.once(() => value() + 1);
    expect(() => value()).toThrow("from inside its own function");
  });

  it.each([undefined, null, 5, {}])("of %j is a TypeError at once", (fn) => {
    expect(() => sync.once(fn as never)).toThrow(TypeError);
  });
});
