/**
 * The answers to an operator's requests.
 */
import { Chan, context } from "headgate";
import * as debug from "headgate/debug";
import { describe, expect, it } from "vitest";
import { watched } from "./support.ts";

const TEXT = "text/plain; charset=utf-8";

describe("respond", () => {
  it("answers with a dump, its contexts, the leaks and the profile", async () => {
    await watched(async () => {
      const jobs = debug.name(new Chan<number>(), "jobs<1>");
      const [ctx, cancel] = context.withCancel(context.background());
      void jobs.recv(debug.name(ctx, "app")).catch(() => {});
      const waits = await debug.respond("/waits?debug=1");
      expect(waits).toMatchObject({ status: 200, type: TEXT });
      expect(waits.body).toContain("recv jobs<1>,");
      const contexts = await debug.respond("/contexts");
      expect(contexts.type).toBe("application/json; charset=utf-8");
      expect(JSON.parse(contexts.body as string)).toMatchObject([{ name: "app", waiting: 1 }]);
      expect(await debug.respond("/leaks")).toEqual({ status: 200, type: TEXT, body: "no leaks\n" });
      (() => void debug.name(new Chan(), "lost").recv())();
      expect((await debug.respond("/leaks")).body).toMatch(/^recv lost: .*\n {4}at .*respond\.test\.ts:\d+:\d+/);
      expect((await debug.respond("/block")).body).toMatch(/^ *total +share/);
      const { type, body } = await debug.respond("/block.pb");
      expect([type, body instanceof Uint8Array]).toEqual(["application/octet-stream", true]);
      cancel();
    });
  });

  it("answers with a page that links to all of it, and shows names as text", async () => {
    await watched(async () => {
      const jobs = debug.name(new Chan<number>(), "<script>");
      const waiting = jobs.recv();
      const { status, type, body } = await debug.respond("/");
      expect([status, type]).toEqual([200, "text/html; charset=utf-8"]);
      for (const path of ["/waits", "/contexts", "/leaks", "/block", "/block.pb"])
        expect(body).toContain(`href=".${path}"`);
      expect(body).toContain("recv &lt;script&gt;");
      expect(body).not.toContain("<script>");
      jobs.close();
      await waiting;
    });
  });

  it("says what is missing: another path, a watch, the time of its ctx", async () => {
    expect(await debug.respond("/none")).toMatchObject({ status: 404, type: TEXT });
    expect(await debug.respond("/block")).toEqual({
      status: 503,
      type: TEXT,
      body: "profile: nothing is watched; call watch() before what is to be timed\n",
    });
    expect((await debug.respond("/")).body).toContain("nothing is watched: call debug.watch()");
    const [ctx, cancel] = context.withCancel(context.background());
    cancel();
    await watched(async () => await expect(debug.respond("/leaks", ctx)).rejects.toBe(ctx.err()));
    await expect(debug.respond(1 as unknown as string)).rejects.toThrow(
      /^respond: expected the path of a request, got 1/,
    );
  });
});
