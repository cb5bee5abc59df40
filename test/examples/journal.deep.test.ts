/**
 * Sagas with a journal, in a process that is killed again and again, at requests that a seed decides; and resumed each time.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SagaEvent } from "headgate/saga";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chance } from "../../docs/examples/transfer/chance.ts";
import { startService } from "../../docs/examples/transfer/services.ts";
import { bundled, folder, Program } from "./program.ts";

const [path, remove] = folder();
let program: string;
beforeAll(async () => {
  program = await bundled("journal.ts", path);
});
afterAll(remove);

const COUNT = 20;

/** Kills it so often, then lets it finish. `killed` may spoil the journal in between. */
async function play(seed: number, kills: number, killed: (file: string) => void = () => {}) {
  const file = join(path, `${seed}.jsonl`);
  let [requests, killAt, running] = [0, Infinity, undefined as Program | undefined];
  const heard = (): void => {
    if (++requests >= killAt) running?.kill("SIGKILL");
  };
  const banks = [await startService({ seed, heard }), await startService({ seed: seed + 1000, heard })];
  const urls = banks.map(({ url }) => url);
  const signals: unknown[] = [];
  const printed: { id?: string; status?: string; resumed?: boolean; letter?: string }[] = [];
  for (let n = 0; n <= kills; n++) {
    requests = 0;
    killAt = n < kills ? 2 + Math.floor(10 * chance(seed, "kill", n)) : Infinity;
    running = new Program(program, [file, String(COUNT), ...urls]);
    const { signal, lines, errors } = await running.ended;
    expect(errors).toBe("");
    signals.push(signal);
    printed.push(...lines.map((line) => JSON.parse(line) as (typeof printed)[number]));
    if (n < kills) killed(file);
  }
  await Promise.all(banks.map((bank) => bank.close()));
  const [debits, credits] = banks.map(({ applied }) => applied) as [ReadonlySet<string>, ReadonlySet<string>];
  const events = readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as SagaEvent);
  const ids = Array.from({ length: COUNT }, (_, i) => `t${i + 1}`);
  const ends = (id: string) => events.filter((event) => event.id === id && event.type === "finished");
  return {
    signals,
    resumed: printed.filter(({ resumed }) => resumed === true).length,
    letters: printed.filter(({ letter }) => letter !== undefined),
    unfinished: ids.filter((id) => ends(id).length !== 1),
    committed: events.filter((event) => event.type === "finished" && event.status === "committed").length,
    done: ids.filter((id) => debits.has(`${id}:debit`) && credits.has(`${id}:credit`)).length,
    halfDone: ids.filter((id) => debits.has(`${id}:debit`) !== credits.has(`${id}:credit`)),
  };
}

describe("the example of the journal", () => {
  it.each([1, 2, 3])("leaves no half-done pair, however often it is killed: seed %i", async (seed) => {
    const { signals, resumed, letters, unfinished, committed, done, halfDone } = await play(seed, 3);
    expect({ halfDone, unfinished, letters }).toEqual({ halfDone: [], unfinished: [], letters: [] });
    expect(done).toBe(committed);
    expect(signals).toEqual(["SIGKILL", "SIGKILL", "SIGKILL", null]);
    expect(resumed).toBeGreaterThan(0);
  });

  it("does not stumble over a last line that is torn", async () => {
    const tear = (file: string): void => {
      const text = readFileSync(file, "utf8");
      writeFileSync(file, `${text}{"saga":"transfer","id":"t`);
    };
    const { halfDone, unfinished } = await play(4, 2, tear);
    expect({ halfDone, unfinished }).toEqual({ halfDone: [], unfinished: [] });
  });

  it("is killed by another, which finds no half-done pair in the end", async () => {
    const killer = await bundled("kill.ts", path);
    const { code, lines, errors } = await new Program(killer, ["--kills", "3"]).ended;
    expect([code, errors]).toEqual([0, ""]);
    const rows = lines.slice(4).map((line) => line.split("|").map((cell) => cell.trim()));
    expect(rows.map(([, ends]) => ends)).toEqual(["SIGKILL", "SIGKILL", "SIGKILL", "by itself"]);
    const finished = rows.reduce(
      (sum, [, , committed, compensated]) => sum + Number(committed) + Number(compensated),
      0,
    );
    expect(finished).toBeGreaterThan(0);
    expect(finished).toBeLessThanOrEqual(COUNT);
    expect(rows.at(-1)!.at(-1)).toBe("0");
  });

  it("is killed by nothing that is misspelt", async () => {
    const killer = await bundled("kill.ts", path);
    for (const [args, message] of [
      [["--kill", "3"], "Unknown option '--kill'"],
      [["--kills", "x"], '--kills takes a whole number, not "x"'],
    ] as const) {
      const { code, errors, lines } = await new Program(killer, args).ended;
      expect([code, lines]).toEqual([2, []]);
      expect(errors).toContain(`${message}\nusage: [--seed N] [--kills N]\n`);
    }
  });

  it("runs by itself, with banks of its own, and ends", async () => {
    const { code, lines } = await new Program(program, [join(path, "own.jsonl"), "3"]).ended;
    expect([code, lines.length]).toEqual([0, 3]);
  });
});
