/** The generated parts of docs/benchmarks-brokers.md, as Markdown. */
import { machinePart, placed, shown, tableOf } from "../report/pages.mjs";
import { number, spreadText } from "../report/table.mjs";
import { stopCells } from "./table.mjs";

const RATE = { kind: "rate" };

/** The page with all parts that were measured; the others stay as they are. */
export function pageOf(page, results, figures, memory) {
  let text = placed(page, "machine", machineAndServers(results));
  for (const { broker, rates, stops } of figures)
    text = placed(text, broker.id, [ratesPart(broker, rates), stopsPart(stops)].join("\n\n"));
  return memory === undefined ? text : placed(text, "memory", memoryPart(memory));
}

function machineAndServers(results) {
  const servers = results.brokers.map(({ title, version }) => `${title} ${version}`).join(", ");
  return `${machinePart(results)}, and ${results.stops} of stops\n- ${servers}`;
}

/** How many a second, and below what each keeps or gives up. */
function ratesPart({ messages }, rates) {
  const head = [`${number(messages)} messages`, "a second", "headgate is"];
  const hasAmple = rates.some(({ ample }) => ample !== undefined);
  if (hasAmple) head.push("and if it holds more");
  const lines = rates.map(({ contender, rate: { kind, failed, value, factor }, ample }) => {
    const compared = [factor, ...(hasAmple ? [ample] : [])].map((factor) =>
      kind === "rival" && factor !== undefined ? shown(RATE, factor) : "",
    );
    if (failed !== undefined) return [contender.name, `failed: ${failed}`, ...compared];
    const spread = spreadText(value);
    const figure = `**${number(value.median)}**${spread === "" ? "" : `<br><sub>${spread}</sub>`}`;
    return [contender.name, figure, ...compared];
  });
  const notes = rates.map(({ contender: { name, note, share = 1 } }) => {
    const fewer = share === 1 ? "" : `; ${number(messages * share)} messages only, as it takes long`;
    return `- ${name}: ${note}${fewer}`;
  });
  return [tableOf([head, ...lines]), notes.join("\n")].join("\n\n");
}

function stopsPart(stops) {
  const head = [
    "stopped",
    "handled twice",
    "wait for their lease",
    "handlers that run on",
    "took, ms",
    "all handled, ms",
  ];
  const lines = stops.map(({ contender: { name }, stop }) => [name, ...stopCells(stop)]);
  return tableOf([head, ...lines]);
}

function memoryPart({ rate, heaps }) {
  const head = ["messages", ...heaps.map((_, i) => `${number((i + 1) / heaps.length)} · 10⁶`)];
  const spread = spreadText(rate);
  return [
    `**${number(rate.median)}** messages a second${spread === "" ? "" : ` (${spread})`}. MB in the heap after each 100 000:`,
    "",
    tableOf([head, ["MB", ...heaps.map((mb) => mb.toFixed(2))]]),
  ].join("\n");
}
