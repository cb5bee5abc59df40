/**
 * The program of docs/worker.md, with brokers that fail: it prints its account before it closes anything, says what is wrong, and ends with
 * an exit code that tells.
 */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { build, type End, run } from "../support/child.ts";

beforeAll(build);

const page = readFileSync(new URL("../../docs/worker.md", import.meta.url), "utf8");
const program = page.split("```js worker.mjs\n")[1]!.split("\n```\n")[0]!;

/** Runs it with this in the place of its broker. `sigterm()` is what stops it. */
function runWith(broker: string): Promise<End> {
  expect(program).toContain('import { open } from "./broker.mjs";');
  const inPlace = `
    import { memoryBroker } from "headgate/worker";
    const sigterm = () => process.kill(process.pid, "SIGTERM");
    const open = async () => { ${broker} };
  `;
  return run(program.replace('import { open } from "./broker.mjs";', inPlace));
}

describe("the program of the page", () => {
  it("ends with 0 when all is well", async () => {
    const end = await runWith(`
      const source = memoryBroker();
      await source.publish("order 1");
      source.end();
      return { source, close: async () => {} };
    `);
    expect(end.lines).toEqual(["handled order 1"]);
    expect(end.errors).toMatch(/acked: 1,[^]*expired: 0,[^]*stopped: 'source ended'/);
    expect(end.code).toBe(0);
  });

  it("ends with 1, and prints the source's own words, when it may not pull", async () => {
    const end = await runWith(`
      const pull = async () => { setTimeout(sigterm, 20); throw new Error("no connection", { cause: new Error("WRONGTYPE") }); };
      return { source: { ...memoryBroker(), pull }, close: async () => {} };
    `);
    expect(end.errors).toContain("worker: source.pull has failed");
    expect(end.errors).toContain("Error: no connection; caused by Error: WRONGTYPE. So nothing is pulled.");
    expect(end.code).toBe(1);
  });

  it.each([
    ["rejects", 'const close = () => Promise.reject(new Error("already gone"));', "not closed: Error: already gone"],
    ["hangs", "const close = () => new Promise(() => setInterval(() => {}, 1_000));", "not closed: "],
  ])("prints its account before a close that %s, and ends", async (_, close, said) => {
    const end = await runWith(`
      const source = memoryBroker();
      source.end();
      ${close}
      return { source, close };
    `);
    const at = end.errors.indexOf("stopped: 'source ended'");
    expect(at).toBeGreaterThan(0);
    expect(end.errors.indexOf(said)).toBeGreaterThan(at);
    expect([end.code, end.signal]).toEqual([0, null]);
  });
});
