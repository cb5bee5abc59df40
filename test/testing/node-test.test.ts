/**
 * The kit under another runner: Node's own, which runs tests at once in one process. The tests import what is
 * published, `dist`.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { build } from "../support/child.ts";

const published = (path: string): string => JSON.stringify(new URL(`../../dist/${path}`, import.meta.url).href);
const header = `
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { Chan, errgroup, go, time } from ${published("index.js")};
import { bubble, explore, DeadlockError, ScheduleError } from ${published("testing/index.js")};
`;

let folder: string | undefined;

beforeAll(build);
afterEach(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true });
  folder = undefined;
});

/** Runs a file of tests, and returns its exit code and what the runner printed. */
async function runTests(body: string): Promise<{ code: number | null; output: string }> {
  folder = await mkdtemp(join(tmpdir(), "headgate-"));
  const file = join(folder, "kit.test.mjs");
  await writeFile(file, header + body);
  return new Promise((resolve) => {
    const options = { timeout: 55_000, killSignal: "SIGKILL" } as const;
    const child = execFile(process.execPath, ["--test", "--test-reporter=tap", file], options, (_, output, errors) => {
      resolve({ code: child.exitCode, output: output + errors });
    });
  });
}

describe("under node --test", () => {
  it("bubbles and explorations run at once, some with real I/O, each in its own time", async () => {
    const { code, output } = await runTests(`
      describe("at once", { concurrency: true }, () => {
        for (let n = 1; n <= 20; n++) {
          test("bubble " + n, () => bubble(async (t) => {
            const [ch, group, begun] = [new Chan(), new errgroup.Group(), t.now()];
            await group.go(async () => {
              await time.sleep(n * 1000);
              if (n % 2 === 0) await readFile(new URL(import.meta.url));
              await ch.send(n);
            });
            assert.deepEqual(await ch.recv(), [n, true]);
            await group.wait();
            assert.equal(t.now() - begun, n * 1000);
          }));
          test("explore " + n, async () => {
            const { points } = await explore((t) => t.yield(), { randomRuns: n });
            assert.equal(points, 2);
          });
        }
        test("a deadlock is seen beside the others", async () => {
          await assert.rejects(bubble(async () => { await new Chan().recv(); }), DeadlockError);
        });
        test("a schedule that fails is found beside the others", async () => {
          const starts = async (t) => {
            let order = "";
            for (const name of ["a", "b"]) go(() => void (order += name));
            await t.wait();
            assert.equal(order, "ab");
          };
          const same = { name: "ScheduleError", replay: "1" };
          await assert.rejects(explore(starts, { cancel: false }), same);
          await assert.rejects(explore(starts, { replay: "1" }), same);
        });
      });
    `);
    expect(output).toMatch(/^# fail 0$/m);
    expect(output).toMatch(/^# pass 42$/m);
    expect(code).toBe(0);
  });

  it("a test that fails is reported with its own error, which names the line, and the others pass", async () => {
    const { code, output } = await runTests(`
      describe("at once", { concurrency: true }, () => {
        test("stuck", () => bubble(async () => {
          await new Chan().recv();
        }));
        test("fine", () => bubble((t) => t.sleep(1000)));
        test("lost", () => bubble(async (t) => {
          void Promise.reject(new Error("nobody cares"));
          await t.sleep(5);
        }));
        test("fine, too", () => explore((t) => t.yield()));
      });
    `);
    expect(code).toBe(1);
    expect(output).toMatch(/^# pass 2$/m);
    expect(output).toMatch(/^# fail 2$/m);
    expect(output).toMatch(/ok 2 - fine$/m);
    expect(output).toMatch(/ok 4 - fine, too$/m);
    const line = header.split("\n").length + 3;
    expect(output).toMatch(new RegExp(`main +blocked 0ms in recv ch1 at .*kit\\.test\\.mjs:${line}:\\d+`));
    expect(output).toContain("unhandled rejection: Error: nobody cares");
  });
});
