/** The `broker.mjs` of a page in docs/brokers/, opened: what it does where its server hangs, or is gone. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { context } from "headgate";
import { fileOf } from "./page.mjs";

const modules = fileURLToPath(new URL("node_modules", import.meta.url));

/** Registers the tests. `start` starts a server, `env` makes of that what the program is told. */
export function isClosed(broker, start, env) {
  const troubles = { hangs: (server) => server.pause(), "is gone": (server) => server.kill() };
  for (const [trouble, make] of Object.entries(troubles)) {
    const title = `${broker}: what the page opens is closed within seconds where the server ${trouble}, and keeps no socket`;
    void test(title, { timeout: 300_000 }, async (t) => {
      const server = await start();
      if (server.skipped !== undefined) return t.skip(server.skipped);
      t.after(() => server.stop());
      const folder = mkdtempSync(join(tmpdir(), "headgate-opened-"));
      t.after(() => rmSync(folder, { recursive: true, force: true }));
      symlinkSync(modules, join(folder, "node_modules"), "dir");
      writeFileSync(join(folder, "broker.mjs"), fileOf(`broker.mjs, ${broker}`));
      Object.assign(process.env, env(server));
      const { open } = await import(pathToFileURL(join(folder, "broker.mjs")));
      const before = sockets();
      const { source, publish, close } = await open();
      await publish("an order");
      const [ctx, cancel] = context.withTimeout(context.background(), 20_000);
      const [held] = await source.pull(ctx, 1);
      assert.equal(held.body, "an order");
      await source.ack(ctx, [held]);
      // A pull that waits, and perhaps never hears again.
      const waiting = source.pull(ctx, 1).catch(() => "rejected");
      await sleep(200);
      await make(server);
      cancel();
      await waiting;
      const began = performance.now();
      await close();
      // It has a few seconds. Without a limit it takes more than a minute.
      assert.ok(performance.now() - began < 30_000);
      for (const late = performance.now() + 30_000; sockets() > before; await sleep(20)) {
        assert.ok(performance.now() < late, `${sockets() - before} sockets are left`);
      }
    });
  }
}

const sockets = () => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
