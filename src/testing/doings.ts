/**
 * What went on in a loop, in a few lines: what was done again and again, how often, and where.
 */

/** How many lines are said of it. */
const SAID = 8;

/** What a task did, to which object, in which line. */
export interface Doing {
  readonly what: string;
  readonly object: string;
  readonly at: string;
}

/** The different ones among what was done, the most frequent first, each with how often it was. */
export function byFrequency(doings: readonly Doing[]): string[] {
  const found = new Map<string, { n: number; doing: Doing; readonly objects: Set<string> }>();
  for (const doing of doings) {
    // Where the line is known it says enough: a loop may well make a new object each time.
    const key = `${doing.what} ${doing.at === "" ? doing.object : doing.at}`;
    if (!found.has(key)) found.set(key, { n: 0, doing, objects: new Set() });
    const same = found.get(key)!;
    same.n++;
    same.objects.add(doing.object);
  }
  const sorted = [...found.values()].sort((a, b) => b.n - a.n);
  const said = sorted.slice(0, SAID).map(({ n, doing: { what, object, at }, objects }) => {
    const target = objects.size > 1 ? `${objects.size} different objects` : object;
    const parts = [`${n} ×`.padEnd(6), what, target, at === "" ? "" : `at ${at}`];
    return `  ${parts.filter((part) => part !== "").join(" ")}`;
  });
  return sorted.length <= SAID ? said : [...said, `  and ${sorted.length - SAID} more`];
}
