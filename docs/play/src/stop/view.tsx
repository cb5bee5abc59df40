/**
 * View 1: a program is stopped at any step, and the rest of the same recording shows what it loses.
 *
 * The path is `worker/DESIGN/REPLAY/STEP`, or `transfer/…`, and then the words of `setting.ts`. A stop at step k is the replay string
 * `0!c` + k, so the picture goes on.
 */
import { useCallback, useEffect, useRef } from "preact/hooks";
import { useKeys } from "../keys.ts";
import type { ViewProps } from "../main.tsx";
import { Choice, Copy, Live, Options, Timeline } from "../parts.tsx";
import { Controls, isCalm, type Playback, usePlayback, usePlayer } from "../player.tsx";
import { text } from "../text.ts";
import { Code } from "./listing.tsx";
import { type Choices, choicesOf, COUNTS, DEFAULTS, type Setting, wordsOf } from "./setting.ts";
import { Stage } from "./stage.tsx";
import { type Point, usePoints, useShow } from "./strip.ts";
import { transfer } from "./transfer.ts";
import type { Design, Frame, Show, Story } from "./types.ts";
import { worker } from "./worker.ts";

const stories: Readonly<Record<string, (setting: Setting) => Story>> = { worker, transfer };

/** The step at which the page waits for a stop: message m2 is at work. To publish a message takes a step. */
function pauseOf({ id, setting: { messages, fails } }: Story): number | undefined {
  return id === "worker" && messages > 1 && fails === "none" ? 18 + messages : undefined;
}

/** Whether the page has played by itself; it does so once. */
let hasPlayed = false;

export function StopView({ path, go }: ViewProps) {
  const [storyId = "worker", designId, replayPart = "0", stepPart, ...words] = path;
  const choices = choicesOf(words);
  const story = storyOf(storyId, choices);
  const design = story.designs.find(({ id }) => id === designId) ?? story.designs[0]!;
  const show = useShow(design, replayPart);
  const isOpening = path.length < 2 && story.id === "worker" && !hasPlayed;
  const playback = usePlayback(isOpening);
  /** The time at which the next design is to be stopped. */
  const stopTime = useRef<number | undefined>(undefined);
  const open = (next: Next): void => {
    const to = { story: story.id, design: design.id, replay: replayPart, ...choices, ...next };
    go([to.story, to.design, to.replay, String(to.step), ...wordsOf(to)]);
  };
  if (show instanceof Error) {
    return (
      <div class="notice" role="alert">
        <p>This replay string does not fit the program: {show.message}</p>
        <button class="primary" onClick={() => open({ replay: "0", step: 1 })}>
          Back to the plain order
        </button>
      </div>
    );
  }
  if (show === undefined) return <p class="notice">Recording …</p>;
  return (
    <Player
      story={story}
      design={design}
      show={show}
      stepPart={stepPart}
      choices={choices}
      isOpening={isOpening}
      playback={playback}
      stopTime={stopTime}
      open={open}
    />
  );
}

/** The story of this name and setting. What the story does not know is left out of it. */
function storyOf(id: string, { messages, fails }: Setting): Story {
  const make = stories[id] ?? worker;
  const plain = make(DEFAULTS);
  const isKnown = plain.failures.some((one) => one.id === fails);
  return make({
    messages: plain.hasMessages ? messages : DEFAULTS.messages,
    fails: isKnown ? fails : DEFAULTS.fails,
  });
}

/** Where to go: what is not named stays as it is. */
type Next = Partial<Choices> & { story?: string; design?: string; replay?: string; step: number };

interface PlayerProps {
  story: Story;
  design: Design;
  show: Show;
  stepPart: string | undefined;
  choices: Choices;
  isOpening: boolean;
  playback: Playback;
  stopTime: { current: number | undefined };
  open: (next: Next) => void;
}

/** The steps of a replay string's signals: after `0!c17!a20`, 17 and 20. */
function signalsOf(replay: string): readonly [cancel: number | undefined, abort: number | undefined] {
  const [, cancel, abort] = /!c(\d+)(?:!a(\d+))?/.exec(replay) ?? [];
  return [cancel === undefined ? undefined : Number(cancel), abort === undefined ? undefined : Number(abort)];
}

function Player({ story, design, show, stepPart, choices, isOpening, playback, stopTime, open }: PlayerProps) {
  const { frames, recording, lost, settled } = show;
  const { replay } = recording;
  const pause = pauseOf(story);
  const asked = stepPart === undefined ? (isOpening && isCalm() ? (pause ?? 1) : 1) : Number(stepPart);
  const at = Math.max(0, Math.min(frames.length - 1, (Number.isInteger(asked) ? asked : 1) - 1));
  const frame = frames[at]!;
  const set = useCallback((next: number) => open({ step: next + 1 }), [design, replay, story]);
  const isPlain = replay === "0";
  const player = usePlayer({
    count: frames.length,
    at,
    set,
    playback,
    until: isPlain && pause !== undefined ? pause - 1 : undefined,
  });
  useEffect(() => void (hasPlayed = true), []);

  const [cancelAt, abortAt] = signalsOf(replay);
  const mayCancel = cancelAt === undefined && frame.step <= recording.points;
  const mayAbort =
    design.id === "worker" &&
    cancelAt !== undefined &&
    abortAt === undefined &&
    frame.step > cancelAt &&
    frame.phase !== "ended";
  const stop = (): void => {
    if (mayCancel) open({ replay: `${replay}!c${frame.step}`, step: frame.step + 1 });
    else if (mayAbort) open({ replay: `${replay}!a${frame.step}`, step: frame.step + 1 });
    else return;
    if (!isCalm() && at < frames.length - 1) player.play(true);
  };
  /** Another design or setting keeps the point by its time. */
  const change = (next: Partial<Next>): void => {
    player.play(false);
    if (isPlain || cancelAt === undefined) return open({ ...next, replay: "0", step: at + 1 });
    stopTime.current = frames.find(({ step }) => step === cancelAt)?.time ?? 0;
    open({ ...next, replay: "0", step: 1 });
  };
  const points = usePoints(design);
  useEffect(() => {
    const time = stopTime.current;
    if (time === undefined || !isPlain) return;
    stopTime.current = undefined;
    const k = frames.findLast((one) => one.time <= time && one.phase === "running")?.step ?? 1;
    open({ replay: `0!c${k}`, step: k + 1 });
  }, [design, isPlain]);
  const copy = useRef<(() => void) | undefined>(undefined);
  const by = (n: number): void => {
    const all = story.designs;
    change({ design: all[(all.indexOf(design) + n + all.length) % all.length]!.id });
  };
  useKeys({ ...player.keys, s: stop, "[": () => by(-1), "]": () => by(1), c: () => copy.current?.() });

  const isWaiting = isPlain && at + 1 === pause && !player.isPlaying;
  const goSource = choices.language === "go" && design.goCode.length > 0;
  return (
    <article
      class="stop"
      data-story={story.id}
      data-design={design.id}
      data-messages={story.setting.messages}
      data-fails={story.setting.fails}
      data-language={choices.language}
      data-replay={replay}
      data-step={frame.step}
      data-steps={frames.length}
      data-points={points.length}
      data-recorded={points.filter((point) => point.lost !== undefined).length}
      data-losing={points.filter((point) => (point.lost?.length ?? 0) > 0).length}
      data-lost={lost.join(",")}
      data-acked={settled.join(",")}
      data-holds={frame.holds}
    >
      <div class="bar">
        <Options
          name="story"
          label={text.stop.program}
          options={Object.values(stories).map((make) => make(DEFAULTS))}
          value={story.id}
          choose={(id) => open({ ...DEFAULTS, language: choices.language, ...openingOf(id) })}
        />
        <Options
          name="design"
          label={text.stop.design}
          options={story.designs}
          value={design.id}
          choose={(id) => change({ design: id })}
        />
        <div class="picks">
          {story.hasMessages && (
            <Choice
              name="messages"
              label={text.stop.messages}
              options={COUNTS.map((n) => ({ id: String(n), title: String(n) }))}
              value={String(story.setting.messages)}
              choose={(id) => change({ messages: Number(id) })}
            />
          )}
          <Choice
            name="fails"
            label={text.stop.fails}
            options={story.failures}
            value={story.setting.fails}
            choose={(id) => change({ fails: id })}
          />
        </div>
      </div>
      <p class="about">
        {story.about} <b>{design.about}</b>
      </p>
      <div class="columns">
        <div class="left">
          <Stage stations={story.stations} frame={frame} ms={450 / player.speed} />
          <p class={`account ${frame.holds ? "" : "broken"}`}>
            <span>{frame.account}</span>
            <span class={`phase is-${frame.phase}`}>{frame.phase}</span>
          </p>
          <p class="sentence" data-control="sentence">
            {frame.sentence}
          </p>
          <Live sentence={`Step ${frame.step}. ${frame.sentence}`} isPlaying={player.isPlaying} />
          <Controls
            player={player}
            valueText={`step ${frame.step} of ${frames.length}, ${frame.time} ms, ${frame.sentence}`}
          />
          <div class="signal">
            <button class="sigterm" data-control="sigterm" disabled={!mayCancel && !mayAbort} onClick={stop}>
              <kbd aria-hidden="true">S</kbd>{" "}
              {cancelAt === undefined
                ? "SIGTERM"
                : mayAbort || abortAt !== undefined
                  ? "second SIGTERM"
                  : "SIGTERM was sent"}
            </button>
            <p class="where">
              <span class="nowrap">
                step <b>{frame.step}</b> of {frames.length}
              </span>
              , <span class="nowrap">+{frame.time} ms</span>
              {isWaiting && <em> {text.worker.press}</em>}
            </p>
          </div>
        </div>
        <Code
          lines={goSource ? design.goCode : design.code}
          lit={goSource ? frame.goLine : frame.line}
          title={titleOf(design, choices.language)}
        >
          <Options
            name="language"
            label={text.stop.language}
            options={text.stop.languages}
            value={choices.language}
            choose={(id) => open({ language: id as Choices["language"], step: at + 1 })}
          />
        </Code>
      </div>
      <StripView
        points={points}
        story={story}
        cancelAt={cancelAt}
        step={frame.step}
        jump={(k) => {
          player.play(false);
          open({ replay: `0!c${k}`, step: k + 1 });
        }}
      />
      <div class="result">
        <Outcome show={show} frame={frame} isLast={at === frames.length - 1} story={story} />
        <p class="replay">
          <Copy value={replay} label="replay string" keyed={copy} />
          {!isPlain && (
            <button class="small" data-control="plain" onClick={() => open({ replay: "0", step: cancelAt ?? 1 })}>
              without the stop
            </button>
          )}
        </p>
      </div>
      <Timeline rows={frames.flatMap(({ rows }) => rows)} step={frame.step} />
      <p class="takeaway">{story.takeaway}</p>
    </article>
  );
}

/** The first step of the first design of a story. */
function openingOf(id: string): Next {
  return { story: id, design: storyOf(id, DEFAULTS).designs[0]!.id, replay: "0", step: 1 };
}

/** What is beside the stage. */
function titleOf({ id, title, goCode }: Design, language: Choices["language"]): string {
  if (language === "ts") return text.stop.code(title);
  return goCode.length > 0 ? text.stop.goCode[id]! : text.stop.noGo(title);
}

/** What this schedule comes to. It is shown from its start, because the reader may jump there. */
function Outcome({ show, frame, isLast, story }: { show: Show; frame: Frame; isLast: boolean; story: Story }) {
  const isKnown = show.recording.replay !== "0" && (frame.phase !== "running" || isLast);
  if (!isKnown && !isLast) return <p class="outcome">{text.worker.unknown}</p>;
  const isBad = show.lost.length > 0;
  return (
    <p class={`outcome ${isBad ? "bad" : "good"}`}>
      <b>{isBad ? `✕ ${story.id === "worker" ? "Lost" : "Half done"}.` : "✓ Held."}</b> {show.outcome}
    </p>
  );
}

function StripView({
  points,
  story,
  cancelAt,
  step,
  jump,
}: {
  points: readonly Point[];
  story: Story;
  cancelAt: number | undefined;
  step: number;
  jump: (k: number) => void;
}) {
  const losing = points.filter((point) => (point.lost?.length ?? 0) > 0).length;
  const isDone = points.length > 0 && points.every((point) => point.lost !== undefined);
  const list = useRef<HTMLDivElement>(null);
  const current = cancelAt ?? Math.min(step, points.length);
  const moved = (event: KeyboardEvent): void => {
    const buttons = [...(list.current?.querySelectorAll("button") ?? [])];
    const i = buttons.indexOf(document.activeElement as HTMLButtonElement);
    const next = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    buttons[next]?.focus();
  };
  return (
    <section class="strip" aria-label={story.loses}>
      <h3>
        {story.loses}{" "}
        <span class="total" data-control="total">
          {isDone ? `${losing} of ${points.length} points` : "recording …"}
        </span>
      </h3>
      <div class="marks" ref={list} role="toolbar" aria-label="Points" onKeyDown={moved}>
        {points.map(({ k, time, lost }) => {
          const state = lost === undefined ? "unknown" : lost.length > 0 ? "bad" : "good";
          const what =
            lost === undefined ? "not recorded yet" : lost.length > 0 ? `loses ${lost.join(", ")}` : "loses nothing";
          return (
            <button
              key={k}
              class={`mark ${state} ${k === cancelAt ? "chosen" : k === step && cancelAt === undefined ? "here" : ""}`}
              data-k={k}
              tabIndex={k === current ? 0 : -1}
              title={`a stop after step ${k}, +${time} ms: ${what}`}
              aria-label={`stop after step ${k}: ${what}`}
              aria-pressed={k === cancelAt}
              onClick={() => jump(k)}
            >
              {state === "bad" ? "✕" : state === "good" ? "·" : ""}
            </button>
          );
        })}
      </div>
    </section>
  );
}
