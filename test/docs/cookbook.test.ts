/**
 * docs/cookbook.md: each recipe is short, is on the page, and does what it is for.
 */
import { once } from "node:events";
import { createServer, get, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Chan, context, errgroup, time } from "headgate";
import { bubble } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { firstOf } from "../../docs/cookbook/09-first-of-n.ts";
import { contextOf } from "../../docs/cookbook/14-request.ts";
import { pageOf } from "../../docs/cookbook/15-abort-signal.ts";
import { stopped } from "../../docs/cookbook/16-http-server.ts";
import { page, recipes } from "./cookbook.ts";

const bg = context.background();

async function listening(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

describe("the recipes", () => {
  it("are 18, and the page has them in their order", () => {
    expect(recipes).toHaveLength(18);
    const shown = [...page.matchAll(/<!-- file: docs\/cookbook\/(\S+)#recipe -->/g)].map(([, file]) => file);
    expect(shown).toEqual(recipes.map(({ file }) => file));
  });

  it("say when, what a cancel does, and where to go", () => {
    const parts = page.split(/^### /m).slice(1);
    expect(parts).toHaveLength(recipes.length);
    for (const part of parts) {
      for (const word of ["**When**:", "**Cancelled**:", "**More**:"]) expect(part).toContain(word);
    }
  });

  it.each(recipes)("$file has 20 lines at most", ({ code }) => {
    expect(code.split("\n").length).toBeLessThanOrEqual(20);
  });

  it.each(recipes)("$file does what it is for", async ({ demo, prints }) => {
    const said: string[] = [];
    await bubble((t) => demo(t.ctx, (text) => said.push(String(text))));
    expect(said).toEqual(prints);
  });
});

describe("first of N", () => {
  it("stops and waits for the sources that run, if one throws at once", () =>
    bubble(async (t) => {
      const broken = new Error("no such mirror");
      let left: unknown;
      const running = (ctx: context.Context): Promise<string> =>
        time.sleep(60_000, ctx).then(
          () => "late",
          (error: unknown) => {
            left = error;
            throw error;
          },
        );
      const failing = (): Promise<string> => {
        throw broken;
      };
      await expect(firstOf(t.ctx, [running, failing])).rejects.toBe(broken);
      expect(left).toBeInstanceOf(context.Canceled);
    }));
});

describe("with real requests", () => {
  it("the context of a request ends with the answer, and when the client leaves", async () => {
    const contexts = new Chan<context.Context>(2);
    const [life, close] = context.withCancel(bg);
    const server = createServer((request, response) => {
      contexts.trySend(contextOf(life, response));
      if (request.url === "/") response.end("hello");
      else response.flushHeaders();
    });
    const url = await listening(server);
    expect(await pageOf(url)).toBe("hello");
    const [answered] = await contexts.recv();
    await answered!.done().recv();
    expect(context.cause(answered!)).toBe("answered");

    const request = get(`${url}slow`);
    await once(request, "response");
    const [left] = await contexts.recv();
    expect(left!.err()).toBeUndefined();
    request.on("error", () => {}).destroy();
    await left!.done().recv();
    expect(context.cause(left!)).toBe("the client has left");
    close();
    server.close();
    server.closeAllConnections();
  });

  it("fetch is cancelled by a Context, with its error, and by a signal, with its reason", async () => {
    const asked = new Chan<true>(1);
    const server = createServer(() => void asked.trySend(true));
    const url = await listening(server);
    const [ctx, cancel] = context.withCancel(bg);
    const waiting = pageOf(url, ctx).catch((error: unknown) => error);
    await asked.recv();
    cancel();
    expect(await waiting).toBe(ctx.err());
    const controller = new AbortController();
    const reason = new Error("the user has left");
    for (const until of [controller.signal, { signal: controller.signal }]) {
      const waiting = pageOf(url, until).catch((error: unknown) => error);
      if (!controller.signal.aborted) {
        await asked.recv();
        controller.abort(reason);
      }
      expect(await waiting).toBe(reason);
    }
    server.close();
    server.closeAllConnections();
  });

  it.each([
    ["waits for the answer under way", Infinity, "hello"],
    ["drops it when the grace is over", 0, "dropped"],
  ])("a server that stops %s", async (_, grace, answer) => {
    const [asked, mayAnswer] = [new Chan<true>(1), new Chan<never>()];
    const server = createServer((_, response) => {
      asked.trySend(true);
      void mayAnswer.recv().then(() => response.end("hello"));
    });
    const url = await listening(server);
    const [stop, signal] = context.withCancel(bg);
    await errgroup.run(bg, (group) => {
      void group.go(() => stopped(server, stop, bg, grace));
      void group.go(async () => {
        const response = fetch(url, { headers: { connection: "close" } }).then((r) => r.text());
        await asked.recv();
        signal();
        if (grace === Infinity) mayAnswer.close();
        expect(await response.catch(() => "dropped")).toBe(answer);
      });
    });
    await expect(fetch(url)).rejects.toThrow();
  });
});
