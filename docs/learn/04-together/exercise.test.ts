import { type Context, time } from "headgate";
import { bubble } from "headgate/testing";
import { expect, it } from "vitest";
import { fetchAll } from "./exercise.ts";

it("returns the pages in the order of their addresses", () =>
  bubble(async (t) => {
    const fetchPage = async (ctx: Context, url: string) => {
      await time.sleep(url === "a" ? 20 : 10, ctx);
      return `page ${url}`;
    };
    expect(await fetchAll(t.ctx, ["a", "b"], fetchPage)).toEqual(["page a", "page b"]);
  }));

it("has stopped all others when it throws the error of one", () =>
  bubble(async (t) => {
    let underWay = 0;
    const fetchPage = async (ctx: Context, url: string) => {
      underWay++;
      try {
        await time.sleep(url === "b" ? 10 : 100, ctx);
        if (url === "b") throw new Error("404");
        return `page ${url}`;
      } finally {
        underWay--;
      }
    };
    await expect(fetchAll(t.ctx, ["a", "b", "c"], fetchPage)).rejects.toThrow("404");
    expect(underWay).toBe(0);
  }));
