/** Figures as text, for the terminal. */
import { BUSY, columns, number, spreadText, verdict } from "../report/table.mjs";

const RATE = { kind: "rate" };
const rangeText = ([least, most]) => (least === most ? `${least}` : `${least}…${most}`);

export function tableOf(figures, memory) {
  const lines = [];
  for (const { broker, rates } of figures) {
    lines.push([""], [`${broker.title} ${broker.version}, messages a second`]);
    for (const { contender, rate, ample } of rates) {
      const { failed, value } = rate;
      if (failed !== undefined) lines.push([`  ${contender.name}`, "failed", "", ""]);
      else lines.push([`  ${contender.name}`, number(value.median), spreadText(value), comparedText(rate, ample)]);
    }
  }
  const speeds = columns(lines, [1, 2]);
  const head = [
    "stopped after 300 ms",
    "handled twice",
    "wait for their lease",
    "run on",
    "took, ms",
    "all handled, ms",
  ];
  const stops = [head];
  for (const { broker, stops: all } of figures) {
    stops.push([broker.title]);
    for (const { contender, stop } of all) stops.push([`  ${contender.name}`, ...stopCells(stop)]);
  }
  const parts = figures.length === 0 ? [] : [speeds, columns(stops, [1, 2, 3, 4, 5])];
  if (memory !== undefined) parts.push(memoryText(memory));
  return parts.join("\n\n");
}

/** The result of a quick run: which contender has handled all. Times would only mislead. */
export const handledOf = (figures) =>
  figures
    .map(({ broker, rates }) => {
      const good = rates.filter(({ rate }) => rate.failed === undefined).map(({ contender }) => contender.name);
      return `${broker.title} ${broker.version}: every message was handled, and is settled, by ${good.join("; ")}`;
    })
    .join("\n");

/** headgate with other settings is not compared with itself. */
const comparedText = ({ kind, factor }, ample) => (factor?.isBusy ? BUSY : verdictsOf({ kind, factor }, ample));

const verdictsOf = ({ kind, factor }, ample) =>
  kind === "rival"
    ? [factor && `headgate is ${verdict(RATE, factor)}`, ample && `if it holds more, ${verdict(RATE, ample)}`]
        .filter(Boolean)
        .join("; ")
    : "";

export const stopCells = ({ failed, twice, stranded, running, stopping, done }) =>
  failed === undefined
    ? [rangeText(twice), rangeText(stranded), rangeText(running), number(stopping), number(done)]
    : ["failed", "", "", "", ""];

const memoryText = ({ rate, heaps }) =>
  `the broker in memory: ${number(rate.median)} messages a second; MB in the heap after each tenth of them: ${heaps
    .map((mb) => mb.toFixed(2))
    .join(" ")}`;
