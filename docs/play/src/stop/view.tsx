/**
 * View 1: a program is stopped at any step, and the rest of the same recording shows what it loses.
 *
 * The path is `worker/DESIGN/REPLAY/STEP`, or `transfer/…`, and then the words of `setting.ts`. A stop at step k is the replay string
 * `0!c` + k, so the picture goes on.
 */
import { useCallback, useEffect, useRef } from "preact/hooks";
import { useKeys } from "../keys.ts";
import type { ViewProps } from "../main.tsx";
import { Button, Choice, Copy, Live, Options, Timeline } from "../parts.tsx";
import { Controls, isCalm, type Playback, usePlayback, usePlayer } from "../player.tsx";
import { text } from "../text.ts";
import { Code } from "./listing.tsx";
import { type Choices, choicesOf, COUNTS, DEFAULTS, type Setting, wordsOf } from "./setting.ts";
import { Stage } from "./stage.tsx";
import { type Point, usePoints, useShow } from "./strip.ts";
import { transfer } from "./transfer.ts";
import type { Beat, Design, Show, Story } from "./types.ts";
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
  /** The moment of the reader's stop, which the other designs get, too. */
  const moment = useRef<Moment>({ time: undefined, isDue: false, replays: new Map() });
  /** What was shown last. It stays until the next recording is made, and so do its controls with the focus. */
  const shown = useRef<Pick<PlayerProps, "story" | "design" | "show" | "stepPart" | "choices"> | undefined>(undefined);
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
  if (show !== undefined) shown.current = { story, design, show, stepPart, choices };
  if (shown.current === undefined) return <p class="notice">Recording …</p>;
  return (
    <Player
      {...shown.current}
      isOpening={isOpening}
      playback={show === undefined ? { ...playback, isPlaying: false } : playback}
      moment={moment}
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

/** A stop that goes from design to design. It stays the same until the reader stops another time. */
interface Moment {
  /** In ms; undefined: the reader has stopped nothing. */
  time: number | undefined;
  /** Whether the design that is shown is to be stopped then. */
  isDue: boolean;
  /** The replay strings that the designs had, by design and setting. */
  readonly replays: Map<string, string>;
}

interface PlayerProps {
  story: Story;
  design: Design;
  show: Show;
  stepPart: string | undefined;
  choices: Choices;
  isOpening: boolean;
  playback: Playback;
  moment: { current: Moment };
  open: (next: Next) => void;
}

/** The steps of a replay string's signals: after `0!c17!a20`, 17 and 20. */
function signalsOf(replay: string): readonly [cancel: number | undefined, abort: number | undefined] {
  const [, cancel, abort] = /!c(\d+)(?:!a(\d+))?/.exec(replay) ?? [];
  return [cancel === undefined ? undefined : Number(cancel), abort === undefined ? undefined : Number(abort)];
}

function Player({ story, design, show, stepPart, choices, isOpening, playback, moment, open }: PlayerProps) {
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
    pace: frame.isInner ? 4 : 1,
  });
  useEffect(() => void (hasPlayed = true), []);

  const [cancelAt, abortAt] = signalsOf(replay);
  const stoppedAt = frames.find(({ step }) => step === cancelAt)?.time;
  const mayCancel = cancelAt === undefined && frame.step <= recording.points;
  const mayAbort =
    design.id === "worker" &&
    cancelAt !== undefined &&
    abortAt === undefined &&
    frame.step > cancelAt &&
    frame.phase !== "ended";
  const forget = (): void => void (moment.current = { time: undefined, isDue: false, replays: new Map() });
  const stop = (): void => {
    if (mayCancel || mayAbort) forget();
    if (mayCancel) open({ replay: `${replay}!c${frame.step}`, step: frame.step + 1 });
    else if (mayAbort) open({ replay: `${replay}!a${frame.step}`, step: frame.step + 1 });
    else return;
    if (!isCalm() && at < frames.length - 1) player.play(true);
  };
  /** Another design or setting keeps the point by its time. */
  const change = (next: Partial<Next>): void => {
    player.play(false);
    if (isPlain || cancelAt === undefined) return open({ ...next, replay: "0", step: at + 1 });
    const { current } = moment;
    current.time ??= stoppedAt ?? 0;
    current.replays.set(keyOf(design.id, story.setting), replay);
    const to = { ...story.setting, ...next };
    const before = current.replays.get(keyOf(next.design ?? design.id, to));
    if (before !== undefined) return open({ ...next, replay: before, step: (signalsOf(before)[0] ?? 0) + 1 });
    current.isDue = true;
    open({ ...next, replay: "0", step: 1 });
  };
  const points = usePoints(design);
  const ended = points.find((point) => point.isAfter)?.k ?? Infinity;
  useEffect(() => {
    const { time, isDue } = moment.current;
    if (time === undefined || !isDue || !isPlain) return;
    moment.current.isDue = false;
    const k = frames.findLast((one) => one.time <= time && one.phase === "running")?.step ?? 1;
    open({ replay: `0!c${k}`, step: k + 1 });
  }, [design, isPlain]);
  const copy = useRef<(() => void) | undefined>(undefined);
  const sigterm = useRef<HTMLDivElement>(null);
  const by = (n: number): void => {
    const all = story.designs;
    change({ design: all[(all.indexOf(design) + n + all.length) % all.length]!.id });
  };
  useKeys({ ...player.keys, s: stop, "[": () => by(-1), "]": () => by(1), c: () => copy.current?.() });

  const isKnown = (!isPlain && frame.phase !== "running") || at === frames.length - 1;
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
        <span>{story.about}</span> <b>{design.about}</b>
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
          {isKnown && show.why.length > 0 && <Why beats={show.why} step={frame.step} />}
          <Live sentence={`Step ${frame.step}. ${frame.sentence}`} isPlaying={player.isPlaying} />
          <Controls
            player={player}
            valueText={`step ${frame.step} of ${frames.length}, ${frame.time} ms, ${frame.sentence}`}
          />
        </div>
        <Code
          lines={goSource ? design.goCode : design.code}
          lit={goSource ? frame.goLine : frame.line}
          losing={isKnown ? ((goSource ? show.losing?.goLine : show.losing?.line) ?? 0) : 0}
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
        ended={ended}
        jump={(k) => {
          player.play(false);
          forget();
          open({ replay: `0!c${k}`, step: k + 1 });
        }}
      />
      <div class="dock" ref={sigterm}>
        <div class="signal">
          <Button class="sigterm" data-control="sigterm" isOff={!mayCancel && !mayAbort} press={stop}>
            <kbd aria-hidden="true">S</kbd>{" "}
            {cancelAt === undefined
              ? "SIGTERM"
              : mayAbort || abortAt !== undefined
                ? "second SIGTERM"
                : "SIGTERM was sent"}
          </Button>
          <p class="where">
            <span class="nowrap">
              step <b>{frame.step}</b> of {frames.length}
            </span>
            , <span class="nowrap">+{frame.time} ms</span>
            {cancelAt !== undefined && <span class="at">{text.stop.stoppedAt(stoppedAt ?? frame.time)}</span>}
          </p>
          {!isPlain && (
            <button
              class="small"
              data-control="plain"
              onClick={() => {
                forget();
                // This button goes away, and the focus with it.
                sigterm.current?.querySelector("button")?.focus();
                open({ replay: "0", step: cancelAt ?? 1 });
              }}
            >
              without the stop
            </button>
          )}
        </div>
        <Outcome show={show} isKnown={isKnown} isWaiting={isWaiting} story={story} />
      </div>
      <p class="replay">
        <Copy value={replay} label="replay string" keyed={copy} />
      </p>
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

/** The key of a design with a setting. */
const keyOf = (id: string, { messages, fails }: Setting): string => `${id} ${messages} ${fails}`;

/** What this schedule comes to. It is shown from its start, because the reader may jump there. */
function Outcome({
  show,
  isKnown,
  isWaiting,
  story,
}: {
  show: Show;
  isKnown: boolean;
  isWaiting: boolean;
  story: Story;
}) {
  if (!isKnown) return <p class="outcome">{isWaiting ? <em>{text.stop.press}</em> : text.stop.unknown}</p>;
  const isBad = show.lost.length > 0;
  return (
    <p class={`outcome ${isBad ? "bad" : "good"}`}>
      <b>{isBad ? `✕ ${story.id === "worker" ? "Lost" : "Half done"}.` : "✓ Held."}</b> {show.outcome}
    </p>
  );
}

/** Why it loses, in beats. Those that have happened are lit. */
function Why({ beats, step }: { beats: readonly Beat[]; step: number }) {
  const { title } = text.worker.why;
  return (
    <section class="why" aria-label={title}>
      <h3>{title}</h3>
      <ol>
        {beats.map((beat) => (
          <li key={beat.text} class={beat.step <= step ? "past" : "due"}>
            {beat.text}
          </li>
        ))}
      </ol>
    </section>
  );
}

function StripView({
  points,
  story,
  cancelAt,
  step,
  ended,
  jump,
}: {
  points: readonly Point[];
  story: Story;
  cancelAt: number | undefined;
  step: number;
  /** The first point after the end of the program. */
  ended: number;
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
    <section class="strip" aria-label={text.stop.strip}>
      <h3>
        <span class="total" data-control="total">
          {isDone ? `${losing} of ${points.length}` : "recording …"}
        </span>{" "}
        {isDone && story.loses(losing)}
      </h3>
      <div class="marks" ref={list} role="toolbar" aria-label={text.stop.strip} onKeyDown={moved}>
        {points.map(({ k, time, lost }) => {
          const state = lost === undefined ? "unknown" : lost.length > 0 ? "bad" : "good";
          const what =
            lost === undefined ? "not recorded yet" : lost.length > 0 ? `loses ${lost.join(", ")}` : "loses nothing";
          const when = k >= ended ? `, ${text.stop.after}` : "";
          return (
            <button
              key={k}
              class={`mark ${state} ${k >= ended ? "after" : ""} ${k === cancelAt ? "chosen" : k === step && cancelAt === undefined ? "here" : ""}`}
              data-k={k}
              tabIndex={k === current ? 0 : -1}
              title={`a stop after step ${k}, +${time} ms${when}: ${what}`}
              aria-label={`stop after step ${k}${when}: ${what}`}
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
