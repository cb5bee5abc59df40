/**
 * View 4: the reader is the scheduler, and makes a program fail that passes every ordinary test.
 *
 * The path is `schedule/BUG/REPLAY/STEP`, and `/both` after it to show the repaired program under the same schedule.
 */
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { moves } from "../hash.ts";
import { useKeys } from "../keys.ts";
import type { ViewProps } from "../main.tsx";
import { Button, Choice, Copy, Live, Options, Timeline } from "../parts.tsx";
import { Controls, type Playback, usePlayback, usePlayer } from "../player.tsx";
import { type Cache, type Recording } from "../record.ts";
import { CANCELLER, echoesOf, story } from "../say.ts";
import { Code } from "../stop/listing.tsx";
import { text } from "../text.ts";
import { causeOf, entries, type Entry, find, type Found, foundOf } from "./bugs.ts";
import { cancelOf, type Fork, forksAt, withCancel, withPick } from "./choices.ts";
import { Lanes } from "./lanes.tsx";
import { litLines } from "./listing.ts";

const words = text.schedule;

function useRecording(cache: Cache<Recording>, replay: string | undefined): Recording | Error | undefined {
  const [, render] = useState(0);
  const [failed, setFailed] = useState<{ cache: Cache<Recording>; replay: string; error: Error } | undefined>(
    undefined,
  );
  useEffect(() => {
    if (replay === undefined) return undefined;
    let isShown = true;
    cache.get(replay).then(
      () => isShown && render((n) => n + 1),
      (error: Error) => isShown && setFailed({ cache, replay, error }),
    );
    return () => void (isShown = false);
  }, [cache, replay]);
  if (replay === undefined) return undefined;
  return cache.peek(replay) ?? (failed?.cache === cache && failed.replay === replay ? failed.error : undefined);
}

export function ScheduleView({ path, go }: ViewProps) {
  const [, id, replay = "0", stepPart = "1", bothPart] = path;
  const entry =
    entries.find((one) => one.id === id) ?? entries.find((one) => one.id === "acks-left-in-the-channel") ?? entries[0]!;
  const both = bothPart === "both";
  const playback = usePlayback();
  const recording = useRecording(entry.broken.recordings, replay);
  const fixed = useRecording(entry.fixed.recordings, both ? replay : undefined);
  const open = (next: { entry?: Entry; replay?: string; step?: number; both?: boolean }): void => {
    const to = { entry, replay, step: Number(stepPart), both, ...next };
    go(["schedule", to.entry.id, to.replay, String(to.step), ...(to.both ? ["both"] : [])]);
  };
  return (
    <>
      <p class="about">
        {words.about} <b>{words.goal}</b>
      </p>
      <div class="bar">
        <Choice
          name="bug"
          label={words.bug}
          options={entries.map(({ id, bug }) => ({ id, title: bug.name }))}
          value={entry.id}
          choose={(id) => {
            playback.setPlaying(false);
            open({ entry: entries.find((one) => one.id === id)!, replay: "0", step: 1, both: false });
          }}
        />
        <Options
          name="form"
          label={words.form}
          options={words.forms}
          value={both ? "both" : "one"}
          choose={(id) => open({ both: id === "both" })}
        />
      </div>
      <p class="story">{entry.bug.story}</p>
      {recording instanceof Error ? (
        <div class="notice" role="alert">
          <p>This replay string does not fit the program: {recording.message}</p>
          <button class="primary" onClick={() => open({ replay: "0", step: 1 })}>
            Back to the plain order
          </button>
        </div>
      ) : recording === undefined ? (
        <p class="notice">Recording …</p>
      ) : (
        <Board
          key={entry.id}
          playback={playback}
          entry={entry}
          recording={recording}
          fixed={fixed}
          both={both}
          step={Math.trunc(Number(stepPart)) || 1}
          open={open}
        />
      )}
    </>
  );
}

interface BoardProps {
  playback: Playback;
  entry: Entry;
  recording: Recording;
  fixed: Recording | Error | undefined;
  both: boolean;
  step: number;
  open: (next: { replay?: string; step?: number; both?: boolean }) => void;
}

function Board({ playback, entry, recording, fixed, both, step, open }: BoardProps) {
  const { steps, replay } = recording;
  const at = Math.max(0, Math.min(steps.length, step) - 1);
  const now = steps[at]!;
  const set = useCallback((next: number) => open({ step: next + 1 }), [entry, replay, both]);
  const player = usePlayer({ count: steps.length, at, set, playback });
  const [found, setFound] = useState<Found | "searching" | undefined>(foundOf(entry));
  const copy = useRef<(() => void) | undefined>(undefined);
  const cancelAt = cancelOf(replay);
  const mayCancel = now.step <= recording.points && !steps.slice(0, at + 1).some(({ task }) => task === CANCELLER);
  const cancel = (): void => {
    if (mayCancel) open({ replay: withCancel(recording, now.step), step: now.step + 1 });
  };
  const search = (): void => {
    player.play(false);
    setFound("searching");
    const { count: now } = moves;
    void find(entry).then((result) => {
      setFound(result);
      if (moves.count !== now) return;
      open({ replay: result.replay, step: 1, both: true });
      player.play(true);
    });
  };
  const reset = (): void => {
    player.play(false);
    open({ replay: "0", step: 1, both: false });
  };
  useKeys({ ...player.keys, s: cancel, c: () => copy.current?.(), f: search });
  const rows = steps.flatMap((one) => one.rows);
  const sentence = story(now.rows, echoesOf(rows));
  const isOver = at === steps.length - 1;
  const isBad = recording.error !== undefined;
  const fixedRecording = fixed instanceof Error ? undefined : fixed;
  const { listing: broken } = entry.broken;
  const { listing: repaired } = entry.fixed;
  const litBroken = useMemo(() => litLines(steps, broken), [recording]);
  const litFixed = useMemo(() => litLines(fixedRecording?.steps ?? [], repaired), [fixedRecording]);
  return (
    <article
      class="schedule"
      data-bug={entry.id}
      data-replay={replay}
      data-step={now.step}
      data-steps={steps.length}
      data-failed={isBad}
      data-fixed={fixedRecording === undefined ? "" : fixedRecording.error === undefined ? "held" : "failed"}
      data-found={found === "searching" ? "searching" : (found?.replay ?? "")}
    >
      <div class="columns">
        <div class="left">
          <h3 class="which">
            {words.broken}{" "}
            {(isOver || both) && (
              <span class={isBad ? "verdict bad" : "verdict good"}>
                {isBad ? `✕ ${causeOf(recording.error)}` : words.passes}
              </span>
            )}
          </h3>
          <Lanes steps={steps} at={now.step} all={both} label={words.broken} go={(k) => player.go(k - 1)} />
          {both && (
            <>
              <h3 class="which">
                {words.fixed}{" "}
                {fixedRecording !== undefined && (
                  <span class={fixedRecording.error === undefined ? "verdict good" : "verdict bad"}>
                    {fixedRecording.error === undefined ? words.holds : `✕ ${causeOf(fixedRecording.error)}`}
                  </span>
                )}
              </h3>
              {fixed instanceof Error ? (
                <p class="notice">{fixed.message}</p>
              ) : (
                fixed !== undefined && (
                  <Lanes steps={fixed.steps} at={Math.min(now.step, fixed.steps.length)} all label={words.fixed} />
                )
              )}
            </>
          )}
          <p class="sentence" data-control="sentence">
            {sentence}
          </p>
          <Live sentence={`Step ${now.step}. ${sentence}`} isPlaying={player.isPlaying} />
          <Forks
            forks={forksAt(recording, now.step + 1)}
            choose={(fork, i) => open({ replay: withPick(recording, fork, i), step: now.step + 1, both: false })}
            mayCancel={mayCancel}
            cancel={cancel}
            isOver={isOver}
          />
          <Controls player={player} valueText={`step ${now.step} of ${steps.length}, ${sentence}`} />
        </div>
        <div class="codes">
          <Code lines={broken.lines} lit={litBroken[at] ?? 0} title={words.code} signs={both} />
          {both && (
            <Code
              lines={repaired.lines}
              lit={litFixed[now.step - 1] ?? litFixed.at(-1) ?? 0}
              title={words.fixedCode}
              signs
            />
          )}
        </div>
      </div>
      <div class="result">
        <p class={`outcome ${isOver ? (isBad ? "bad" : "good") : ""}`}>
          {isOver ? <Verdict isBad={isBad} cause={causeOf(recording.error)} /> : words.running(now.step, steps.length)}
        </p>
        <p class="replay">
          <Copy value={replay} label="replay string" keyed={copy} />
          <Button class="small" isOff={replay === "0"} press={reset}>
            start again
          </Button>
        </p>
      </div>
      <div class="signal">
        <Button class="primary" data-control="find" isOff={found === "searching"} press={search}>
          {words.find}
        </Button>
        <p class="where" role="status">
          {found === "searching"
            ? words.searching
            : found === undefined
              ? words.tried(cancelAt)
              : words.found(found.schedules, found.replay)}
        </p>
      </div>
      <Timeline rows={rows.slice(0, 2_000)} step={now.step} />
    </article>
  );
}

function Verdict({ isBad, cause }: { isBad: boolean; cause: string }) {
  return isBad ? (
    <>
      <b>✕ It fails.</b> {cause}. {words.won}
    </>
  ) : (
    <>
      <b>✓ It passes.</b> {words.lost}
    </>
  );
}

/** The candidates for the next step. The cancel is always one. */
function Forks({
  forks,
  choose,
  mayCancel,
  cancel,
  isOver,
}: {
  forks: readonly Fork[];
  choose: (fork: Fork, i: number) => void;
  mayCancel: boolean;
  cancel: () => void;
  isOver: boolean;
}) {
  return (
    <div class="forks" role="group" aria-label={words.next}>
      <span class="caption">{isOver ? words.over : forks.length > 0 ? words.next : words.only}</span>
      {forks.map((fork) => (
        <span key={fork.index} class="fork">
          {fork.row.among!.map((name, i) => (
            <button
              key={i}
              class={i === fork.row.pick ? "chosen" : ""}
              aria-pressed={i === fork.row.pick}
              data-fork={fork.index}
              data-pick={i}
              onClick={() => choose(fork, i)}
            >
              {fork.row.event === "select" ? `case ${name}` : name}
            </button>
          ))}
        </span>
      ))}
      <Button data-control="cancel" isOff={!mayCancel} press={cancel}>
        ⚡ cancel
      </Button>
    </div>
  );
}
