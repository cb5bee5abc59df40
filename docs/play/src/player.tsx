/**
 * The player: a position in a list of frames, which moves on by itself while it plays; and its controls.
 */
import { useEffect, useState } from "preact/hooks";
import { moves } from "./hash.ts";
import type { Keys } from "./keys.ts";
import { Button } from "./parts.tsx";

/** How long a frame is shown at speed 1, in ms. */
const FRAME = 750;

export const isCalm = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;

export interface Player {
  readonly at: number;
  readonly last: number;
  readonly isPlaying: boolean;
  readonly speed: number;
  readonly go: (at: number) => void;
  readonly play: (isPlaying: boolean) => void;
  readonly setSpeed: (speed: number) => void;
  readonly keys: Keys;
}

/** Whether a view plays, and how fast. It outlives the recording that is shown. */
export interface Playback {
  readonly isPlaying: boolean;
  readonly speed: number;
  readonly setPlaying: (isPlaying: boolean) => void;
  readonly setSpeed: (speed: number) => void;
}

export function usePlayback(starts: boolean = false): Playback {
  const [isPlaying, setPlaying] = useState(starts && !isCalm());
  const [speed, setSpeed] = useState(1);
  // A link leads to a step, and stays there.
  useEffect(() => {
    const moved = (): void => setPlaying(false);
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return { isPlaying, speed, setPlaying, setSpeed };
}

/**
 * A player of `count` frames at the position `at`. `set` moves it. It stops by itself when it comes to the frame `until`, and at the last.
 * From `until` it goes on when it is asked to play again.
 */
export function usePlayer({
  count,
  at,
  set,
  until,
  pace = 1,
  playback: { isPlaying, speed, setPlaying, setSpeed },
}: {
  count: number;
  at: number;
  set: (at: number) => void;
  until?: number | undefined;
  /** How many times faster than the others the frame at `at` goes by. @default 1 */
  pace?: number;
  playback: Playback;
}): Player {
  const last = Math.max(0, count - 1);
  const mayPlay = isPlaying && count > 0;
  useEffect(() => {
    if (!mayPlay) return undefined;
    if (at >= last) return setPlaying(false);
    const { count: now } = moves;
    const timer = setTimeout(
      () => {
        if (moves.count !== now) return;
        set(at + 1);
        if (at + 1 === until) setPlaying(false);
      },
      FRAME / speed / pace,
    );
    return () => clearTimeout(timer);
  }, [mayPlay, at, last, until, pace, speed, set]);
  const go = (next: number): void => {
    setPlaying(false);
    set(Math.max(0, Math.min(last, next)));
  };
  const play = (wanted: boolean): void => {
    if (wanted && at >= last) set(0);
    setPlaying(wanted);
  };
  const keys: Keys = {
    " ": () => play(!isPlaying),
    ArrowRight: () => go(at + 1),
    ArrowLeft: () => go(at - 1),
    Home: () => go(0),
    End: () => go(last),
  };
  return { at, last, isPlaying, speed, go, play, setSpeed, keys };
}

const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];

const speedText = (speed: number): string =>
  `${speed === 0.25 ? "¼" : speed === 0.5 ? "½" : Math.round(speed * 10) / 10}×`;

/** The playhead and its buttons. `valueText` says where it is. */
export function Controls({ player, valueText }: { player: Player; valueText: string }) {
  const { at, last, isPlaying, speed, go, play, setSpeed } = player;
  return (
    <div class="controls" role="group" aria-label="Playback">
      <input
        class="playhead"
        type="range"
        min={0}
        max={last}
        value={at}
        style={{ "--done": `${last === 0 ? 0 : (at / last) * 100}%` }}
        aria-label="Step"
        aria-valuetext={valueText}
        onInput={({ currentTarget }) => go(Number(currentTarget.value))}
      />
      <div class="buttons">
        <Button aria-label="First step" isOff={at === 0} press={() => go(0)}>
          <Icon name="first" />
        </Button>
        <Button aria-label="Step back" data-control="back" isOff={at === 0} press={() => go(at - 1)}>
          <Icon name="back" />
        </Button>
        <button
          class="play"
          aria-label={isPlaying ? "Pause" : "Play"}
          data-control="play"
          onClick={() => play(!isPlaying)}
        >
          <Icon name={isPlaying ? "pause" : "play"} />
        </button>
        <Button aria-label="Step on" data-control="step" isOff={at === last} press={() => go(at + 1)}>
          <Icon name="step" />
        </Button>
        <Button aria-label="Last step" isOff={at === last} press={() => go(last)}>
          <Icon name="last" />
        </Button>
      </div>
      <label class="speed">
        <span>speed</span>
        <input
          type="range"
          min={-2}
          max={3}
          step={0.25}
          value={Math.log2(speed)}
          aria-valuetext={`${speedText(speed)} speed`}
          list="speeds"
          onInput={({ currentTarget }) => setSpeed(2 ** Number(currentTarget.value))}
        />
        <output>{speedText(speed)}</output>
        <datalist id="speeds">
          {SPEEDS.map((one) => (
            <option key={one} value={Math.log2(one)} />
          ))}
        </datalist>
      </label>
    </div>
  );
}

const icons = {
  first: "M3 2v12h2V9l8 5V2L5 7V2z",
  back: "M12 2v12L3 8z",
  play: "M4 2v12l10-6z",
  pause: "M3 2h4v12H3zM9 2h4v12H9z",
  step: "M4 2v12l9-6z",
  last: "M13 2v12h-2V9l-8 5V2l8 5V2z",
};

function Icon({ name }: { name: keyof typeof icons }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={icons[name]} />
    </svg>
  );
}
