/**
 * The figures as pictures, drawn by Observable Plot: each group as dots on a logarithmic scale, and what must not grow as lines.
 *
 * A picture has no background of its own and only colours that can be read on white and on black, because it is shown on both.
 */
import * as Plot from "@observablehq/plot";
import { JSDOM } from "jsdom";
import { number, times, unitOf } from "./table.mjs";

const { document } = new JSDOM("").window;

const INK = "#737c87";
const OURS = "#e8590c";
const GO = "#1098ad";
const COLOURS = [
  "#4c7ef3",
  "#37a24b",
  "#9c6ade",
  "#d6487f",
  "#a98600",
  "#7f8c2b",
  "#b0653a",
  "#5f7fae",
  "#c34f4f",
  "#8a8f98",
];
const SYMBOLS = ["circle", "square", "triangle", "cross", "star", "wye"];
const FONT = 13;
const WIDTH = 900;

const STYLE = { fontSize: `${FONT}px`, fontFamily: "system-ui, sans-serif", color: INK, background: "none" };
const IDENTITY = { symbol: { type: "identity" }, color: { type: "identity" }, r: { type: "identity" } };
const LOOK = {
  r: "r",
  symbol: "symbol",
  fill: (one) => (one.isHollow ? "none" : one.colour),
  stroke: (one) => (one.isHollow ? one.colour : "none"),
  strokeWidth: 1.6,
  fillOpacity: 0.9,
};

/** About as wide as a text is. */
const widthOf = (text) => text.length * FONT * 0.58;

/** The contenders that are in a picture, each with its look, which is the same in all pictures. */
function looksOf(contenders) {
  const rivals = contenders.filter(({ kind }) => kind === "rival").toSorted((a, b) => b.name.localeCompare(a.name));
  const looks = new Map(
    rivals.map(({ id, name }, i) => [
      id,
      { name, colour: COLOURS[i % COLOURS.length], symbol: SYMBOLS[i % SYMBOLS.length], r: 4 },
    ]),
  );
  looks.set("go-1", { name: "Go, 1 core", colour: GO, symbol: "diamond", r: 5 });
  looks.set("go", { name: "Go", colour: GO, symbol: "diamond", r: 5, isHollow: true });
  looks.set("headgate", { name: "headgate", colour: OURS, symbol: "circle", r: 6.5 });
  return looks;
}

/** What is drawn of a figure: multiples of h where it is a time, also of what has no h of its own, or what the row counts. */
const drawn = (figure, { value, ratio }) =>
  figure.row.kind === undefined ? (ratio?.median ?? value.median / figure.of.get("headgate").h.median) : value.median;

/** A picture of the rows of a group. */
export function dots(title, figures, contenders) {
  const looks = looksOf(contenders);
  const points = figures.flatMap((figure) =>
    [...figure.of]
      .filter(
        ([who, { value }]) => looks.has(who) && value?.median > 0 && figure.of.get("headgate")?.value !== undefined,
      )
      .map(([who, one]) => ({ who, title: figure.row.title, value: drawn(figure, one), ...looks.get(who) })),
  );
  const order = [...looks.keys()];
  points.sort((a, b) => order.indexOf(a.who) - order.indexOf(b.who));
  const titles = figures.map(({ row }) => row.title);
  const targets = figures
    .filter(({ row }) => row.target > 0)
    .map(({ row }) => ({ title: row.title, value: row.target }));
  const shown = order.filter((who) => points.some((point) => point.who === who)).reverse();
  const legend = legendOf([
    ...shown.map((who) => looks.get(who)),
    ...(targets.length > 0 ? [{ name: "target", isTarget: true }] : []),
  ]);
  const unit = figures[0].row.kind === undefined ? "× h, the price of one await" : unitOf(figures[0].row);
  const marginTop = 62 + legend.height;
  const plot = Plot.plot({
    document,
    width: WIDTH,
    height: marginTop + 26 * titles.length + 46,
    marginTop,
    marginBottom: 46,
    marginLeft: 16 + Math.max(...titles.map(widthOf)),
    marginRight: 36,
    style: STYLE,
    x: {
      type: "log",
      label: `${unit}: less is better`,
      labelArrow: "none",
      labelAnchor: "center",
      labelOffset: 40,
      ...ticksOf(points),
    },
    y: { type: "band", domain: titles, label: null, tickSize: 0 },
    ...IDENTITY,
    marks: [
      Plot.gridX({ ...ticksOf(points), stroke: INK, strokeOpacity: 0.22 }),
      Plot.ruleY(titles, { y: (title) => title, stroke: INK, strokeOpacity: 0.22 }),
      Plot.tickX(targets, { x: "value", y: "title", stroke: INK, strokeWidth: 2, inset: 3 }),
      Plot.dot(points, { x: "value", y: "title", ...LOOK, title: (point) => `${point.name}: ${times(point.value)}` }),
    ],
  });
  return finished(plot, title, "", legend);
}

/** Powers of ten with what lies between them, as far as the points reach. */
function ticksOf(points) {
  const values = points.map(({ value }) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const steps = high / low > 3000 ? [1] : high / low > 60 ? [1, 3] : [1, 2, 5];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high * 10; power++)
    ticks.push(...steps.map((step) => step * 10 ** power));
  const from = ticks.findLast((tick) => tick <= low * 0.9) ?? low;
  const to = ticks.find((tick) => tick >= high * 1.05) ?? high;
  const inside = ticks.filter((tick) => tick >= from && tick <= to);
  return { ticks: inside, tickFormat: tickText, domain: [from, to] };
}

const tickText = (value) => (value >= 1 ? number(value).replace(/\.0+$/, "") : `${Number(value.toPrecision(1))}`);

/** What must not grow: a line for each row, with its name where it ends. */
export function lines(title, figures) {
  const points = figures.flatMap((figure) => {
    const ours = figure.of.get("headgate");
    return ours?.value === undefined
      ? []
      : [{ id: figure.row.id, title: figure.row.title, size: figure.size, value: ours.ratio.median }];
  });
  const ids = [...new Set(points.map(({ id }) => id))];
  const colourOf = new Map(ids.map((id, i) => [id, [OURS, GO, ...COLOURS][i]]));
  const last = ids.map((id) => points.findLast((point) => point.id === id));
  const height = 470;
  const [marginTop, marginBottom] = [56, 46];
  const sizes = [...new Set(points.map(({ size }) => size))];
  const y = ticksOf(points);
  const inPixels = Math.log(y.domain[1] / y.domain[0]) / (height - marginTop - marginBottom);
  const plot = Plot.plot({
    document,
    width: WIDTH,
    height,
    marginTop,
    marginBottom,
    marginLeft: 56,
    marginRight: 24 + Math.max(...last.map((point) => widthOf(point.title))),
    style: STYLE,
    x: {
      type: "log",
      label: "N",
      labelArrow: "none",
      labelAnchor: "center",
      labelOffset: 40,
      ticks: sizes,
      tickFormat: tickText,
    },
    y: { type: "log", label: null, ...y },
    color: { type: "identity" },
    marks: [
      Plot.gridY({ ...y, stroke: INK, strokeOpacity: 0.22 }),
      Plot.line(points, { x: "size", y: "value", z: "id", stroke: ({ id }) => colourOf.get(id), strokeWidth: 2 }),
      Plot.dot(points, { x: "size", y: "value", r: 3, fill: ({ id }) => colourOf.get(id) }),
      Plot.text(apart(last, 17 * inPixels), {
        x: () => Math.max(...sizes),
        y: "at",
        text: "title",
        fill: ({ id }) => colourOf.get(id),
        textAnchor: "start",
        dx: 12,
      }),
    ],
  });
  return finished(plot, title, "× h for one operation, against the number N of others there are", undefined);
}

/** The same for all contenders that have such programs: a panel for each row. */
export function panels(title, figures, contenders) {
  const looks = looksOf(contenders);
  const ids = [...new Set(figures.map(({ row }) => row.id))];
  const points = figures.flatMap((figure) =>
    [...figure.of]
      .filter(
        ([who, { value }]) => looks.has(who) && value !== undefined && figure.of.get("headgate")?.value !== undefined,
      )
      .map(([who, one]) => {
        const at = ids.indexOf(figure.row.id);
        return { who, size: figure.size, value: drawn(figure, one), column: at % 2, line: at >> 1, ...looks.get(who) };
      }),
  );
  const order = [...looks.keys()];
  points.sort((a, b) => order.indexOf(a.who) - order.indexOf(b.who));
  const legend = legendOf(
    order
      .filter((who) => points.some((point) => point.who === who))
      .toReversed()
      .map((who) => looks.get(who)),
  );
  const titles = ids.map((id, i) => ({
    text: figures.find(({ row }) => row.id === id).row.title,
    column: i % 2,
    line: i >> 1,
  }));
  const y = ticksOf(points);
  const sizes = [...new Set(points.map(({ size }) => size))];
  const facet = { fx: "column", fy: "line" };
  const marginTop = 76 + legend.height;
  const plot = Plot.plot({
    document,
    width: WIDTH,
    height: marginTop + 185 * Math.ceil(ids.length / 2) + 30,
    style: STYLE,
    marginTop,
    marginBottom: 46,
    marginLeft: 64,
    marginRight: 36,
    fx: { axis: null, padding: 0.14 },
    fy: { axis: null, padding: 0.2 },
    x: {
      type: "log",
      label: "N",
      labelArrow: "none",
      labelAnchor: "center",
      labelOffset: 40,
      ticks: sizes,
      tickFormat: tickText,
    },
    y: { type: "log", label: null, ...y },
    ...IDENTITY,
    marks: [
      Plot.gridY({ ticks: y.ticks, stroke: INK, strokeOpacity: 0.22 }),
      Plot.line(points, {
        ...facet,
        x: "size",
        y: "value",
        z: "who",
        stroke: "colour",
        strokeWidth: 1.6,
      }),
      Plot.dot(points, { ...facet, ...LOOK, x: "size", y: "value", r: ({ r }) => r * 0.7 }),
      Plot.text(titles, { ...facet, text: "text", frameAnchor: "top-left", dy: -19, fill: INK, fontWeight: 600 }),
    ],
  });
  return finished(plot, title, "", legend);
}

/** The labels moved so far from each other that none lies on another: `gap` in the logarithm of their height. */
function apart(points, gap) {
  const sorted = points
    .toSorted((a, b) => a.value - b.value)
    .map((point) => ({ ...point, log: Math.log(point.value) }));
  for (let pass = 0; pass < 200; pass++) {
    for (let i = 1; i < sorted.length; i++) {
      const missing = gap - (sorted[i].log - sorted[i - 1].log);
      if (missing <= 0) continue;
      sorted[i].log += missing / 2;
      sorted[i - 1].log -= missing / 2;
    }
  }
  return sorted.map((point) => ({ ...point, at: Math.exp(point.log) }));
}

/** The legend, in as many lines as it takes. */
function legendOf(entries) {
  let [x, y] = [24, 10];
  const placed = entries.map((entry) => {
    const width = 28 + widthOf(entry.name);
    if (x + width > WIDTH - 16) [x, y] = [24, y + 20];
    const at = { ...entry, x, y };
    x += width;
    return at;
  });
  const height = y + 10;
  const svg = Plot.plot({
    document,
    width: WIDTH,
    height,
    margin: 0,
    style: STYLE,
    axis: null,
    x: { type: "identity" },
    y: { type: "identity" },
    ...IDENTITY,
    marks: [
      Plot.dot(
        placed.filter(({ isTarget }) => !isTarget),
        { x: "x", y: "y", ...LOOK },
      ),
      Plot.ruleX(
        placed.filter(({ isTarget }) => isTarget),
        { x: "x", y1: ({ y }) => y - 8, y2: ({ y }) => y + 8, stroke: INK, strokeWidth: 2 },
      ),
      Plot.text(placed, { x: "x", y: "y", text: "name", dx: 11, textAnchor: "start", fill: INK }),
    ],
  });
  svg.setAttribute("y", "38");
  return { svg, height };
}

/** With its title and its legend, as text. */
function finished(svg, title, subtitle, legend) {
  const element = (name, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, `${value}`);
    if (text !== undefined) made.textContent = text;
    svg.append(made);
  };
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", title);
  element("text", { x: 16, y: 24, fill: INK, "text-anchor": "start", "font-size": 17, "font-weight": 600 }, title);
  if (subtitle !== "") element("text", { x: 16, y: 44, fill: INK, "text-anchor": "start" }, subtitle);
  if (legend !== undefined) svg.append(legend.svg);
  return `${svg.outerHTML}\n`;
}
