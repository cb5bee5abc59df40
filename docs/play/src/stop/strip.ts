/**
 * The loss strip: a design is stopped at every point of its plain order, in the background, and what each stop loses is kept.
 */
import { useEffect, useState } from "preact/hooks";
import { Cache } from "../record.ts";
import type { Design, Show } from "./types.ts";

/** What a stop at a point loses; undefined: not recorded yet. */
export interface Point {
  readonly k: number;
  readonly time: number;
  /** Whether the program has ended before. */
  readonly isAfter: boolean;
  lost: readonly string[] | undefined;
}

class Strip {
  readonly shows: Cache<Show>;
  points: readonly Point[] = [];
  private readonly design: Design;
  private readonly listeners: Set<() => void> = new Set();
  private isBegun = false;
  private isDue = false;

  constructor(design: Design) {
    this.design = design;
    this.shows = new Cache((replay) => this.design.show(replay));
  }

  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    void this.fill();
    return () => this.listeners.delete(listener);
  }

  private async fill(): Promise<void> {
    if (this.isBegun) return;
    this.isBegun = true;
    const plain = await this.shows.get("0");
    this.points = plain.frames
      .slice(0, plain.recording.points)
      .map(({ step, time, phase }) => ({ k: step, time, isAfter: phase === "ended", lost: undefined }));
    this.changed();
    for (const point of this.points) {
      void this.shows.get(`0!c${point.k}`, false).then((show) => {
        point.lost = show.lost;
        this.changed();
      });
    }
  }

  /** Tells the listeners, for many changes at once. */
  private changed(): void {
    if (this.isDue) return;
    this.isDue = true;
    setTimeout(() => {
      this.isDue = false;
      for (const listener of this.listeners) listener();
    }, 50);
  }
}

const strips: Map<Design, Strip> = new Map();

export function stripOf(design: Design): Strip {
  const strip = strips.get(design) ?? new Strip(design);
  strips.set(design, strip);
  return strip;
}

/** The points of a design as far as they are recorded. */
export function usePoints(design: Design): readonly Point[] {
  const [, render] = useState(0);
  useEffect(() => stripOf(design).listen(() => render((n) => n + 1)), [design]);
  return stripOf(design).points;
}

/** The recording of a design under a replay string: undefined while it is made, an Error if the string does not fit. */
export function useShow(design: Design, replay: string): Show | Error | undefined {
  const { shows } = stripOf(design);
  const [, render] = useState(0);
  const [error, setError] = useState<{ key: string; error: Error } | undefined>(undefined);
  const key = `${design.id} ${replay}`;
  useEffect(() => {
    let isShown = true;
    shows.get(replay).then(
      () => isShown && render((n) => n + 1),
      (thrown: Error) => isShown && setError({ key, error: thrown }),
    );
    return () => void (isShown = false);
  }, [design, replay]);
  return shows.peek(replay) ?? (error?.key === key ? error.error : undefined);
}
