/**
 * Prometheus' text format, version 0.0.4.
 *
 * Invariant: all lines of a metric stand together, behind its `# TYPE`, which comes once; Prometheus refuses a text in which it comes twice.
 */

/** Names and values, in the order in which they are written. */
export type Labels = readonly (readonly [name: string, value: string])[];

/** One line. */
export interface Series {
  /** What comes behind the name of the metric, such as `_bucket`. */
  readonly suffix: string;
  readonly labels: Labels;
  readonly value: number;
}

/** A metric with all its lines. */
export interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** What each of its lines has, before its own labels. */
  readonly labels: Labels;
  readonly series: readonly Series[];
}

/** The text of several lists of metrics. Each list has the same ones, in the same order. */
export function textOf(lists: readonly (readonly Family[])[]): string {
  const [first = []] = lists;
  const lines = first.flatMap(({ name, type, help }, i) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...lists.flatMap((list) => list[i]!.series.map((series) => lineOf(list[i]!, series))),
  ]);
  return `${lines.join("\n")}\n`;
}

function lineOf({ name, labels }: Family, { suffix, labels: own, value }: Series): string {
  const all = [...labels, ...own].map(([label, text]) => `${label}="${escaped(text)}"`);
  return `${name}${suffix}${all.length === 0 ? "" : `{${all.join(",")}}`} ${value}`;
}

/** The value of a label, in which a backslash, a quotation mark and a line feed are written as two characters. */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
