/**
 * The lanes: a row for each task, a column for each step, and a line for each value that goes from one task to another.
 */
import type { TraceRow, TraceStep } from "headgate/testing";
import { useEffect, useRef } from "preact/hooks";
import { isCalm } from "../player.tsx";
import { CANCELLER, CLOCK, echoesOf } from "../say.ts";

const [COLUMN, LANE, TOP, LEFT] = [26, 34, 22, 12];

/** How many columns are drawn: an endless loop has thousands of steps. */
const MOST = 400;

interface Edge {
  readonly from: TraceRow;
  readonly to: TraceRow;
  readonly kind: "value" | "start";
}

/** The values that went through channels, and the tasks that were started. */
function edgesOf(rows: readonly TraceRow[]): readonly Edge[] {
  const echoes = echoesOf(rows);
  const open: TraceRow[] = [];
  const edges: Edge[] = [];
  for (const row of rows) {
    if (echoes.has(row)) continue;
    if (/^(wait )?send$|^trySend$/.test(row.event)) open.push(row);
    if (row.event === "go") {
      const to = rows.find((other) => other.event === "start" && other.task === row.object);
      if (to !== undefined) edges.push({ from: row, to, kind: "start" });
    }
    if (!/^(resume )?(recv|select)$|^tryRecv$/.test(row.event) || row.detail === "" || row.detail === "closed")
      continue;
    const value = row.detail.replace(/^→ \S+ /, "");
    const i = open.findIndex(
      (send) => send.detail === value && (row.object === send.object || row.event.endsWith("select")),
    );
    if (i < 0) continue;
    const [from] = open.splice(i, 1);
    if (from!.task !== row.task) edges.push({ from: from!, to: row, kind: "value" });
  }
  return edges;
}

type Mark = "run" | "wait" | "fail" | "end" | "cancel" | "clock";

function markOf({ task, rows }: TraceStep): Mark {
  if (task === CANCELLER) return "cancel";
  if (task === CLOCK) return "clock";
  const own = rows.filter((row) => row.task === task);
  if (own.some((row) => row.event === "throw" || /^(fail|refuse) /.test(row.event))) return "fail";
  if (own.at(-1)?.event === "end") return "end";
  return own.at(-1)?.event.startsWith("wait ") === true ? "wait" : "run";
}

const words: Readonly<Record<Mark, string>> = {
  run: "runs",
  wait: "runs, then waits",
  fail: "fails",
  end: "ends",
  cancel: "cancels t.ctx",
  clock: "lets time pass",
};

function Dot({ mark, x, y }: { mark: Mark; x: number; y: number }) {
  const path = {
    fail: `M${x - 4.5} ${y - 4.5}l9 9m0-9l-9 9`,
    cancel: `M${x + 2} ${y - 8}l-6 9h4l-2 7 6-9h-4z`,
    end: `M${x} ${y - 7}v14`,
  }[mark as string];
  if (path !== undefined) return <path class={`dot ${mark}`} d={path} />;
  return <circle class={`dot ${mark}`} cx={x} cy={y} r={mark === "clock" ? 4 : 5.5} />;
}

/** The lanes of a recording up to a step. What comes later is not drawn, unless `all`. */
export function Lanes({
  steps,
  at,
  label,
  all = false,
  go,
}: {
  steps: readonly TraceStep[];
  at: number;
  label: string;
  all?: boolean;
  go?: (step: number) => void;
}) {
  const box = useRef<HTMLDivElement>(null);
  const drawn = steps.slice(0, MOST);
  const tasks = [...new Set(drawn.flatMap(({ rows }) => rows.map(({ task }) => task)))];
  const order = [
    ...tasks.filter((task) => task !== CLOCK && task !== CANCELLER),
    ...[CLOCK, CANCELLER].filter((task) => tasks.includes(task)),
  ];
  const x = (step: number): number => LEFT + (step - 0.5) * COLUMN;
  const y = (task: string): number => TOP + (order.indexOf(task) + 0.5) * LANE;
  const width = LEFT * 2 + drawn.length * COLUMN;
  const height = TOP + order.length * LANE + 6;
  const shown = all ? drawn : drawn.filter(({ step }) => step <= at);
  useEffect(() => {
    const left = x(at) - (box.current?.clientWidth ?? 0) / 2;
    box.current?.scrollTo({ left, behavior: isCalm() ? "instant" : "smooth" });
  }, [at, steps]);
  return (
    <div class="lanes" role="group" aria-label={label}>
      <ul class="names" style={{ paddingTop: `${TOP}px` }}>
        {order.map((task) => (
          <li key={task} style={{ height: `${LANE}px` }}>
            {task === CLOCK ? <i>time</i> : task === CANCELLER ? <i>cancel</i> : task}
          </li>
        ))}
      </ul>
      <div class="track" ref={box} tabIndex={0} role="region" aria-label={`${label}, steps`}>
        <svg
          width={width}
          height={height}
          role="img"
          aria-label={`${label}: ${shown.map((step) => `step ${step.step}, ${step.task} ${words[markOf(step)]}`).join("; ")}`}
        >
          <rect class="now" x={x(at) - COLUMN / 2} y="0" width={COLUMN} height={height} rx="4" />
          {order.map((task) => (
            <line key={task} class="lane" x1="0" x2="100%" y1={y(task)} y2={y(task)} />
          ))}
          {edgesOf(shown.flatMap(({ rows }) => rows)).map(({ from, to, kind }, i) => {
            const [x1, y1, x2, y2] = [x(from.step), y(from.task), x(to.step), y(to.task)];
            const bend = Math.max(14, Math.abs(x2 - x1) / 2);
            return (
              <path
                key={i}
                class={`edge ${kind}`}
                d={`M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`}
              />
            );
          })}
          {shown.map((step) => (
            <g key={step.step} class={step.step > at ? "later" : ""} onClick={() => go?.(step.step)}>
              <title>{`step ${step.step}, +${step.time} ms: ${step.task} ${words[markOf(step)]}`}</title>
              <rect class="hit" x={x(step.step) - COLUMN / 2} y="0" width={COLUMN} height={height} />
              {(step.step === 1 || step.step % 5 === 0) && (
                <text class="tick" x={x(step.step)} y="13">
                  {step.step}
                </text>
              )}
              <Dot mark={markOf(step)} x={x(step.step)} y={y(step.task)} />
            </g>
          ))}
        </svg>
      </div>
    </div>
  );
}
