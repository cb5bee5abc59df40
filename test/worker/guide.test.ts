/**
 * The tables of docs/worker.md: the moments of a stop, and the options with their defaults.
 */
import { readFileSync } from "node:fs";
import { context, time } from "headgate";
import { bubble } from "headgate/testing";
import { memoryBroker, Stopping, worker } from "headgate/worker";
import { expect, it } from "vitest";

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

/** The rows of a section's tables, as lists of cells. */
function rowsOf(section: string): string[][] {
  const text = read("docs/worker.md").split(`\n## ${section}\n`)[1]!.split("\n## ")[0]!;
  const lines = text.split("\n").filter((line) => line.startsWith("| "));
  return lines.map((line) => line.slice(2, -2).split(" | "));
}

it("the table of the stop has the latest moments that the defaults allow", async () => {
  const seen: Record<string, number> = {};
  await bubble(async (t) => {
    const broker = memoryBroker<string>();
    await broker.publish("held");
    const never = (): Promise<never> => new Promise(() => {});
    // No verdict ever succeeds, and no handler ends.
    const source = { ...broker, pull: broker.pull, ack: never, nack: never };
    const [stop, cancel] = context.withCancel(t.ctx);
    time.afterFunc(1_000, cancel);
    const begun = time.now() + 1_000;
    const note = (what: string): void => void (seen[what] = (time.now() - begun) / 1_000);
    await worker(
      stop,
      source,
      (ctx) => {
        context.afterFunc(ctx, () => note(context.cause(ctx) instanceof Stopping ? "Stopping" : "another cause"));
        context.afterFunc(ctx.value(context.lifetime)!, () => note("lifetime"));
        return never();
      },
      { observe: (event) => event.type === "phase" && note(event.to) },
    );
  });
  const moments = rowsOf("The stop, and its contexts").filter(([when]) => /^[\d.]+ s$/.test(when!));
  const [draining, aborting, lifetime, settling, done] = moments.map(([when]) => Number.parseFloat(when!));
  expect(moments.map(([, phase]) => phase)).toEqual(["draining", "aborting", "aborting", "settling", "done"]);
  expect(seen).toEqual({ draining, aborting, Stopping: aborting, lifetime, settling, done });
});

it("the table of the options has each option with its default", () => {
  const source = read("src/worker/options.ts").split("export interface WorkerOptions")[1]!.split("\n}\n")[0]!;
  const declared = [...source.matchAll(/@default (.*)\n\s*\*\/\n\s*readonly (\w+)\?:/g)].map(([, value, name]) => [
    name,
    value,
  ]);
  expect(declared.length).toBe([...source.matchAll(/^ {2}readonly \w+\?:/gm)].length);
  /** The first word of a default: what is behind a comma is in words of its own. */
  const plain = (text: string): string =>
    text
      .split(",")[0]!
      .replaceAll(/[`_ ]/g, "")
      .replace(/(?<=\d)ms$/, "")
      .replace(/^undefined$/, "none");
  const listed = rowsOf("Options").filter(([name]) => name!.startsWith("`"));
  const defaults = new Map(listed.map(([name, value]) => [plain(name!), value!]));
  expect([...defaults.keys()].sort()).toEqual(declared.map(([name]) => name!).sort());
  for (const [name, value] of declared) {
    expect({ name, default: plain(defaults.get(name!)!) }).toEqual({ name, default: plain(value!) });
  }
});
