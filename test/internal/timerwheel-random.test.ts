/**
 * Alarms, thousands of them set and stopped at random, compared with a sorted list.
 */
import { afterEach, describe, expect, it } from "vitest";
import type { Alarm } from "../../src/internal/timerwheel.ts";
import { on, Platform, restore, type Setter } from "../support/platform.ts";
import { generator } from "../support/random.ts";

afterEach(restore);

/** An alarm as the model knows it. */
interface Entry {
  readonly due: number;
  readonly since: number;
  readonly alarm: Alarm;
}

/**
 * Sets and stops alarms at random while time goes on at random, and compares with a sorted list: each alarm that fires
 * must be the first of the list, and due. Each that is due must have fired. Returns the violations, and the number of
 * alarms that have fired.
 */
function play(platform: Platform, set: Setter, seed: number, grain: number): { wrong: string[]; fired: number } {
  const random = generator(seed);
  const pending: Entry[] = [];
  const past: Entry[] = [];
  const wrong: string[] = [];
  let fired = 0;
  const span = (log: number): number => Math.floor((2 ** (random() * log) - 1) / grain) * grain;
  // An instant between two of the platform's comes up to a ms later.
  const late = grain < 1 ? 1 : 0;

  const add = (): void => {
    const due = platform.now + span(random() < 0.7 ? 10 : 34);
    const entry: Entry = { due, since: platform.now, alarm: set(due, () => fire(entry)) };
    pending.splice(pending.filter((other) => other.due <= due).length, 0, entry);
  };
  const stop = (entries: Entry[]): void => {
    if (entries.length === 0) return;
    const [entry] = entries.splice(Math.floor(random() * entries.length), 1);
    entry!.alarm.stop();
    past.push(entry!);
  };
  const fire = (entry: Entry): void => {
    fired++;
    if (pending[0] !== entry) wrong.push(`${entry.due} fired, ${pending[0]?.due} was next`);
    if (entry.due > platform.now) wrong.push(`${entry.due} fired early, at ${platform.now}`);
    past.push(...pending.splice(pending.indexOf(entry), 1));
    const dice = random();
    if (dice < 0.3) add();
    else if (dice < 0.5) stop(pending);
    else if (dice < 0.6) stop(past);
    else if (dice < 0.61) while (pending.length > 0) stop(pending);
    if (dice < 0.05) stop(pending);
  };
  const check = (): void => {
    const first = pending[0];
    if (first !== undefined && first.since < platform.now && first.due + late <= platform.now) {
      wrong.push(`${first.due} has not fired at ${platform.now}`);
    }
    if (platform.timers.size > 1) wrong.push(`${platform.timers.size} timers`);
    if (platform.held !== Math.min(1, pending.length)) wrong.push(`${platform.held} held for ${pending.length}`);
  };

  for (let step = 0; step < 6000; step++) {
    const dice = random();
    if (dice < 0.5) add();
    else if (dice < 0.7) stop(pending);
    else if (dice < 0.75) stop(past);
    else if (dice < 0.755) while (pending.length > 0) stop(pending);
    else if (dice < 0.88) platform.goTo(platform.now + span(random() < 0.95 ? 10 : 32));
    else platform.blockUntil(platform.now + span(random() < 0.95 ? 10 : 32));
    check();
  }
  while (pending.length > 0) {
    platform.goTo(pending.at(-1)!.due + 1);
    check();
  }
  return { wrong, fired };
}

describe("alarms set and stopped at random, while time goes on at random", () => {
  it.each([
    { handles: "objects", grain: 1, early: 0, seeds: [1, 2, 3, 4] },
    { handles: "numbers", grain: 1, early: 0, seeds: [5, 6, 7, 8] },
    { handles: "objects", grain: 1 / 64, early: 0, seeds: [9, 10, 11, 12] },
    { handles: "numbers", grain: 1 / 64, early: 0.375, seeds: [13, 14, 15, 16] },
  ] as const)(
    "fire as a sorted list says: handles are $handles, instants multiples of $grain, timers $early ms early",
    async ({ handles, grain, early, seeds }) => {
      for (const seed of seeds) {
        const platform = new Platform(seed * grain, handles);
        platform.early = early;
        const { set } = await on(platform);
        const { wrong, fired } = play(platform, set, seed, grain);
        expect(wrong.slice(0, 5)).toEqual([]);
        expect(fired).toBeGreaterThan(1000);
        expect(platform.held).toBe(0);
      }
    },
  );
});
