/**
 * View 3: two channels and a select. Each press is added to a script, and the script is recorded again.
 *
 * The path is `channels/CAPACITY/PRESSES/POSITION`, such as `channels/1/sa.sa.x1/2`.
 */
import { useCallback, useEffect, useState } from "preact/hooks";
import { useFlip } from "../flip.ts";
import { useKeys } from "../keys.ts";
import type { ViewProps } from "../main.tsx";
import { Button, Live, Timeline } from "../parts.tsx";
import { Controls, usePlayback, usePlayer } from "../player.tsx";
import { queued } from "../record.ts";
import { text } from "../text.ts";
import { type Queues, queuesOf, rulesOf } from "./queues.ts";
import { type Call, type Dice, isPress, type Play, played, type Press, type Side, type State } from "./script.ts";

const words = text.channels;
const MOST = 40;

/** What the page opens with: a full buffer, and a sender that waits. */
const OPENING: readonly Press[] = ["sa", "sa", "ra"];

function usePlay(capacity: number, script: readonly Press[]): Play | undefined {
  const key = `${capacity} ${script.join(".")}`;
  const [shown, show] = useState<{ key: string; play: Play } | undefined>(undefined);
  useEffect(() => {
    let isWanted = true;
    void queued(async () => {
      if (!isWanted) return;
      const play = await played(capacity, script);
      if (isWanted) show({ key, play });
    });
    return () => void (isWanted = false);
  }, [key]);
  // The picture of the script before stays until the new one is there.
  return shown?.play;
}

export function ChannelsView({ path, go }: ViewProps) {
  const [, capacityPart = "1", scriptPart, atPart] = path;
  const capacity = Math.max(0, Math.min(4, Math.trunc(Number(capacityPart)) || 0));
  const script = scriptPart === undefined ? OPENING : scriptPart.split(".").filter(isPress).slice(0, MOST);
  const asked = atPart === undefined ? script.length : Math.trunc(Number(atPart)) || 0;
  const at = Math.max(0, Math.min(script.length, asked));
  const play = usePlay(capacity, script);
  const open = (next: readonly Press[], position: number, newCapacity: number = capacity): void =>
    go(["channels", String(newCapacity), next.join("."), String(position)]);
  /** A press at an earlier position drops those after it. */
  const press = (one: Press): void => {
    if (at < MOST) open([...script.slice(0, at), one], at + 1);
  };
  const set = useCallback((position: number) => open(script, position), [script.join("."), capacity]);
  const player = usePlayer({ count: script.length + 1, at, set, playback: usePlayback() });
  const undo = (): void => {
    if (script.length > 0) open(script.slice(0, -1), script.length - 1);
  };
  useKeys({ ...player.keys, Backspace: undo });
  if (play === undefined) return <p class="notice">Recording …</p>;
  const state = play.states[Math.min(at, play.states.length - 1)]!;
  const sentence = sentenceOf(play, Math.min(at, play.states.length - 1), script);
  return (
    <article
      class="channels"
      data-capacity={capacity}
      data-script={script.join(".")}
      data-at={at}
      data-shown={state.done}
      data-replay={play.replay}
    >
      <p class="about">{words.about}</p>
      <div class="bar">
        <label class="capacity">
          {words.capacity}
          <input
            type="range"
            min={0}
            max={4}
            value={capacity}
            style={{ "--done": `${capacity * 25}%` }}
            aria-valuetext={words.slots(capacity)}
            onInput={({ currentTarget }) => open(script, at, Number(currentTarget.value))}
          />
          <output>{capacity}</output>
        </label>
        <Button data-control="undo" isOff={script.length === 0} press={undo}>
          undo
        </Button>
        <Button data-control="clear" isOff={script.length === 0} press={() => open([], 0)}>
          start again
        </Button>
      </div>
      <div class="two">
        <ChannelView side="a" state={state} press={press} />
        <ChannelView side="b" state={state} press={press} />
      </div>
      <div class="selects">
        <button class="wide" data-control="select" onClick={() => press(`x${Math.floor(Math.random() * 4)}`)}>
          <code>{"select({ a, b, stop: ctx.done(), timer })"}</code>
        </button>
        <Button data-control="end" isOff={state.ended} press={() => press("e")}>
          end ctx
        </Button>
        <button data-control="time" onClick={() => press("t")}>
          10 ms pass
        </button>
        <span class={`ctx ${state.ended ? "ended" : ""}`}>{state.ended ? words.ended : words.alive}</span>
      </div>
      <DiceView
        dice={play.dice.find((one) => one.press === at - 1)}
        force={(pick) => open([...script.slice(0, at - 1), `x${pick}`], at)}
      />
      <p class="sentence" data-control="sentence">
        {sentence}
      </p>
      <Live sentence={sentence} isPlaying={player.isPlaying} />
      <Controls player={player} valueText={`press ${at} of ${script.length}: ${sentence}`} />
      <div class="two last">
        <CallList calls={state.calls} blocked={state.blocked} />
        <ul class="rules" aria-label="Invariants">
          {rulesOf(state, words.rules).map((rule) => (
            <li key={rule.text} class={rule.holds ? "holds" : "broken"} data-holds={rule.holds}>
              <span aria-hidden="true">{rule.holds ? "✓" : "✕"}</span>
              <span class="hidden">{rule.holds ? "holds: " : "broken: "}</span> {rule.text}
            </li>
          ))}
        </ul>
      </div>
      <Timeline rows={play.steps.flatMap(({ rows }) => rows)} step={-1} />
    </article>
  );
}

/** A channel: the senders that wait, the buffer, the receivers that wait. */
function ChannelView({ side, state, press }: { side: Side; state: State; press: (press: Press) => void }) {
  const { text: shown, length, capacity } = state[side];
  const queues: Queues = queuesOf(side, state);
  const isClosed = shown.includes("closed");
  const parent = useFlip(state, 350);
  return (
    <section
      class={`channel ${isClosed ? "closed" : ""}`}
      data-channel={side}
      data-length={length}
      data-text={shown}
      data-buffer={queues.buffer.join(",")}
      ref={parent}
    >
      <h3>
        {side} <code>{shown}</code>
      </h3>
      <div class="pipe">
        <Waiters title={words.senders} calls={queues.senders} />
        <ol class="buffer" aria-label={words.buffer}>
          {/* The oldest value is next to the receivers. */}
          {Array.from({ length: capacity }, (_, i) => queues.buffer[capacity - 1 - i]).map((value, i) => (
            <li key={i} class={value === undefined ? "slot" : "slot full"}>
              {value !== undefined && <b data-fly={value}>{value}</b>}
            </li>
          ))}
          {capacity === 0 && <li class="none">{words.unbuffered}</li>}
        </ol>
        <Waiters title={words.receivers} calls={queues.receivers} />
      </div>
      <div class="buttons">
        <button data-control={`s${side}`} onClick={() => press(`s${side}`)}>
          send
        </button>
        <button data-control={`r${side}`} onClick={() => press(`r${side}`)}>
          receive
        </button>
        <button data-control={`c${side}`} onClick={() => press(`c${side}`)}>
          close
        </button>
      </div>
    </section>
  );
}

function Waiters({ title, calls }: { title: string; calls: readonly Call[] }) {
  return (
    <div class="waiters">
      <h4>{title}</h4>
      <ul>
        {calls.map(({ task, value }) => (
          <li key={task} class="waiter">
            {value === "" ? task : <b data-fly={value}>{value}</b>}
          </li>
        ))}
        {calls.length === 0 && <li class="empty">–</li>}
      </ul>
    </div>
  );
}

function DiceView({ dice, force }: { dice: Dice | undefined; force: (pick: number) => void }) {
  if (dice === undefined) return <p class="dice">{words.noDice}</p>;
  return (
    <div
      class="dice thrown"
      role="group"
      aria-label={words.diceLabel}
      data-among={dice.among.join(",")}
      data-pick={dice.pick}
    >
      <span>
        <span aria-hidden="true">⚄</span> {words.dice(dice.among.length)}
      </span>
      {dice.among.map((name, i) => (
        <button
          key={name}
          class={i === dice.pick ? "small chosen" : "small"}
          aria-pressed={i === dice.pick}
          data-force={i}
          onClick={() => force(i)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}

function CallList({ calls, blocked }: { calls: readonly Call[]; blocked: readonly string[] }) {
  return (
    <ol class="calls" aria-label="Calls" tabIndex={0}>
      {calls.map(({ task, result }) => (
        <li key={task} class={/Error|Closed|ancel/.test(result) ? "failed" : ""}>
          <code>{task}</code> {blocked.includes(task) ? <i>waits</i> : <span>{result}</span>}
        </li>
      ))}
      {calls.length === 0 && <li class="empty">{words.noCalls}</li>}
    </ol>
  );
}

/** What a press did. */
function sentenceOf(play: Play, at: number, script: readonly Press[]): string {
  if (at === 0) return words.begin;
  const press = script[at - 1]!;
  const [before, state] = [play.states[at - 1]!, play.states[at]!];
  if (state.said !== "") return words.misuse(state.said);
  const woken = state.calls.filter(
    (call) =>
      call.result !== "" && call.press < at - 1 && before.calls.find(({ task }) => task === call.task)?.result === "",
  );
  const others = woken.map(({ task, result }) => words.woken(task, result)).join(" ");
  const own = state.calls.find((call) => call.press === at - 1);
  if (own !== undefined) {
    const reasons = words.why[own.kind];
    const isDirect = own.on !== "both" && state[own.on].capacity === 0;
    const why = typeof reasons === "string" ? reasons : isDirect ? reasons.unbuffered : reasons.buffered;
    const said = state.blocked.includes(own.task) ? words.waits(own.task, why) : words.done(own.task, own.result);
    return [said, others].join(" ").trim();
  }
  const what = press === "e" ? words.cancelled : press === "t" ? words.passed : words.closed(press[1]!);
  return [what, others].join(" ").trim();
}
