/**
 * The three designs of the worker as text, for readers without JavaScript: the first point at which each loses something, or else the
 * last design stopped at the same point.
 */
import { textOf } from "./say.ts";
import { DEFAULTS } from "./stop/setting.ts";
import { worker } from "./stop/worker.ts";
import type { Design, Show } from "./stop/types.ts";

const escaped = (text: string): string => text.replace(/[<&>]/g, (c) => `&#${c.charCodeAt(0)};`);

/** The plain order stopped at each point; stops at the first that loses something. */
async function firstLoss(design: Design): Promise<Show> {
  const plain = await design.show("0");
  for (let k = 1; k <= plain.recording.points; k++) {
    const show = await design.show(`0!c${k}`);
    if (show.lost.length > 0) return show;
  }
  return design.show("0!c14");
}

export async function timelines(): Promise<string> {
  const parts: string[] = [];
  for (const design of worker(DEFAULTS).designs) {
    const { recording, frames, outcome } = await firstLoss(design);
    const rows = frames
      .flatMap((frame) => frame.rows)
      .filter((row) => row.task !== "main")
      .map((row) => `${String(row.step).padStart(3)}  +${row.time} ms`.padEnd(15) + row.task.padEnd(9) + textOf(row));
    parts.push(
      `<h2>${escaped(design.title)}: stopped after step ${/!c(\d+)/.exec(recording.replay)![1]}</h2>`,
      `<p>${escaped(outcome)}</p>`,
      `<pre tabindex="0">${escaped(rows.join("\n"))}</pre>`,
    );
  }
  return parts.join("\n");
}
