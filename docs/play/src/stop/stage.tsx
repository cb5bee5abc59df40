/**
 * The stage: the stations in a row, and the tokens at them. A token shows its state by shape, by word and by colour.
 */
import { useFlip } from "../flip.ts";
import type { Frame, State, Station, Token } from "./types.ts";

/** The share of the circle that is full, or a sign. */
const glyphs: Readonly<Record<State, number | "cross" | "back" | "again" | "bar">> = {
  queued: 0,
  held: 0.25,
  working: 0.5,
  handled: 0.75,
  acking: 0.75,
  done: 1,
  back: "back",
  declined: "bar",
  first: 0,
  returned: "back",
  again: "again",
  lost: "cross",
};

export function Glyph({ state }: { state: State }) {
  const glyph = glyphs[state];
  return (
    <svg class={`glyph is-${state}`} viewBox="0 0 20 20" aria-hidden="true">
      <circle cx="10" cy="10" r="8" />
      {typeof glyph === "number" && glyph > 0 && <path class="full" d={pie(glyph)} />}
      {glyph === "cross" && <path class="sign" d="M6 6l8 8M14 6l-8 8" />}
      {glyph === "bar" && <path class="sign" d="M5.5 10h9" />}
      {glyph === "back" && <path class="sign" d="M13.5 13.5V8H6m0 0l3-3M6 8l3 3" />}
      {glyph === "again" && <path class="sign" d="M14 10a4 4 0 1 1-1.5-3.1M13 4v3.2h-3.2" />}
    </svg>
  );
}

function pie(share: number): string {
  if (share === 1) return "M10 2a8 8 0 1 1 0 16a8 8 0 1 1 0-16z";
  const angle = 2 * Math.PI * share;
  const [x, y] = [10 + 8 * Math.sin(angle), 10 - 8 * Math.cos(angle)];
  return `M10 10V2A8 8 0 ${share > 0.5 ? 1 : 0} 1 ${x.toFixed(2)} ${y.toFixed(2)}z`;
}

function TokenView({ token }: { token: Token }) {
  return (
    <li class={`token is-${token.state}`} data-fly={token.id} data-token={token.id} data-state={token.state}>
      <Glyph state={token.state} />
      <b>{token.id}</b> <span class="word">{token.word}</span>
    </li>
  );
}

export function Stage({ stations, frame, ms }: { stations: readonly Station[]; frame: Frame; ms: number }) {
  const parent = useFlip(frame, ms);
  return (
    <div class={`stage stations-${stations.length} is-${frame.phase}`} ref={parent}>
      {stations.map(({ id, title, hint }) => (
        <section key={id} class={`station at-${id}`} aria-label={title} data-station={id}>
          <h3>{title}</h3>
          <p class="hint">{hint}</p>
          <ul>
            {frame.tokens
              .filter(({ station }) => station === id)
              .map((token) => (
                <TokenView key={token.id} token={token} />
              ))}
          </ul>
        </section>
      ))}
    </div>
  );
}
