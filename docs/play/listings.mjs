/**
 * The code of the bugs, as view 4 shows it: made of the catalogue's own files, `test/testing/bugs`, when the page is built.
 *
 * A scenario of the catalogue has both forms in one text, by its parameter `fixed`. A listing has both, too: a line of it is in both
 * forms, or only in the broken one, or only in the repaired one. Each line knows its line in the file.
 *
 * The code that runs says where it is: `await` of line 17 becomes `at(17) && await`, which takes no step of its own. The tests run the
 * shown text, and find the trace of the code that runs.
 *
 * Invariants:
 * - A form is the text with parts left out. Nothing is added, so each of its lines is a line of the file.
 * - The files are formatted as oxfmt does it. So a scenario ends at the first `},` of its own indent.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The files of the catalogue that have bugs. */
const FILES = ["verdicts.ts", "stopping.ts", "sharing.ts", "pipelines.ts"];

export const isCatalogue = (path) =>
  /[\\/]testing[\\/]bugs[\\/]\w+\.ts$/.test(path) && FILES.some((f) => path.endsWith(f));

/**
 * The listings by the names of the bugs. A line is a sign, its number in the file in base 36, a space and its text. The sign says which
 * form has it: "=" both, "-" the broken one, "+" the repaired one.
 */
export function listingsOf(folder) {
  return Object.fromEntries(FILES.flatMap((file) => listingsOfFile(readFileSync(join(folder, file), "utf8"))));
}

function listingsOfFile(source) {
  const lines = source.split("\n");
  return lines.flatMap((line, i) => {
    const name = /^    name: "(.*)",$/.exec(line)?.[1];
    if (name === undefined) return [];
    const begin = lines.findIndex((one, k) => k > i && one.startsWith("    scenario: (fixed) => "));
    const end = lines.indexOf("    },", begin);
    const scenario = lines.slice(begin, end + 1).join("\n");
    const parts = [
      ...helpersOf(lines).filter((one) => new RegExp(`\\b${one.name}\\(`).test(scenario)),
      { first: begin + 1, text: scenario.replace("scenario: (fixed) => ", "").replace(/,$/, ";") },
    ];
    const [broken, fixed] = [false, true].map((isFixed) => parts.flatMap((part) => formOf(part, isFixed)));
    return [
      [
        name,
        merged(broken, fixed)
          .map(({ form, line, text }) => `${form}${line.toString(36)} ${text}`)
          .join("\n"),
      ],
    ];
  });
}

/** The functions of a file that its scenarios share. */
function helpersOf(lines) {
  return lines.flatMap((line, i) => {
    const name = /^async function (\w+)\(/.exec(line)?.[1];
    if (name === undefined) return [];
    return [{ name, first: i + 1, text: lines.slice(i, lines.indexOf("}", i) + 1).join("\n") }];
  });
}

/** Both forms in the order of the file: of a line that differs, the broken one first. */
function merged(broken, fixed) {
  const all = [];
  for (const { line, text } of broken) {
    const isBoth = fixed.some((other) => other.line === line && other.text === text);
    all.push({ line, text, form: isBoth ? "=" : "-" });
  }
  for (const { line, text } of fixed) {
    if (!all.some((other) => other.line === line && other.form === "=")) all.push({ line, text, form: "+" });
  }
  return all.sort((a, b) => a.line - b.line || (a.form < b.form ? 1 : -1));
}

// ------------------------------------------------------------------------------------------------------------ one form

/** The lines of a text in one form, without what only the other one uses. */
function formOf({ first, text }, isFixed) {
  const out = new Uint8Array(text.length); // 1: left out
  const leave = (from, to) => out.fill(1, from, to);
  for (const { index } of text.matchAll(/\bfixed\b/g)) {
    if (out[index] === 0) fold(text, index, isFixed, leave);
  }
  const indent = /\n( *)\S*$/.exec(text)?.[1].length ?? 0;
  let at = 0;
  const lines = [];
  for (const [i, line] of text.split("\n").entries()) {
    const kept = [...line].filter((_, k) => out[at + k] === 0).join("");
    at += line.length + 1;
    // What was on a line of which nothing is left is gone; an empty line stays.
    if (kept.trim() === "" && line.trim() !== "") continue;
    if (kept.trim() === "using _ = null;") continue;
    lines.push({ line: first + i, text: i === 0 ? kept.trimStart() : kept.slice(indent).trimEnd() });
  }
  return withoutUnused(lines);
}

/** Decides one `fixed`: the part of the text that the other form has is left out. */
function fold(text, index, isFixed, leave) {
  const isNot = text[index - 1] === "!";
  const [begin, value] = [isNot ? index - 1 : index, isNot ? !isFixed : isFixed];
  const after = index + "fixed".length;
  const parameter = /^: boolean/.exec(text.slice(after));
  if (text.slice(begin - 2, begin) === ", ") return leave(begin - 2, after + (parameter?.[0].length ?? 0));
  if (text.startsWith(" ? ", after)) return foldChoice(text, begin, after + 3, value, leave);
  const condition = text.lastIndexOf("if (", begin);
  return foldIf(text, { condition, begin, after, value }, leave);
}

/** `fixed ? a : b`, and its brackets if they have no other use. */
function foldChoice(text, begin, yes, value, leave) {
  const colon = extent(text, yes, (i) => text.startsWith(" : ", i));
  const end = extent(text, colon + 3, (i) => /[,;)\]}]/.test(text[i]));
  if (value) {
    leave(begin, yes);
    leave(colon, end);
  } else leave(begin, colon + 3);
  if (text[begin - 1] === "(" && text[end] === ")" && !/\w/.test(text[begin - 2])) {
    leave(begin - 1, begin);
    leave(end, end + 1);
  }
}

/** `if (fixed) …` and `if (fixed && c) …`, each perhaps with an else. */
function foldIf(text, { condition, begin, after, value }, leave) {
  const close = extent(text, condition + 4, (i) => text[i] === ")");
  const then = close + 2;
  const thenEnd = statementEnd(text, then);
  const rest = /^\s*else\s+/.exec(text.slice(thenEnd));
  const other = rest === null ? undefined : thenEnd + rest[0].length;
  const end = other === undefined ? thenEnd : statementEnd(text, other);
  const isWhole = text[begin - 1] === "(" && after === close;
  if (!value) {
    leave(condition, other ?? thenEnd);
    if (other !== undefined) unwrap(text, other, end, leave);
    return;
  }
  if (other !== undefined) leave(thenEnd, end);
  if (isWhole) {
    leave(condition, then);
    unwrap(text, then, thenEnd, leave);
  } else leave(begin, after + " && ".length);
}

/** A block whose `if` is gone: its lines move to the left. */
function unwrap(text, begin, end, leave) {
  if (text[begin] !== "{") return;
  leave(begin, begin + 1);
  leave(end - 1, end);
  for (const { index } of text.slice(begin, end - 1).matchAll(/\n {2}(?= )/g))
    leave(begin + index + 1, begin + index + 3);
}

/** The place behind a statement. */
function statementEnd(text, begin) {
  if (text[begin] !== "{") return extent(text, begin, (i) => text[i] === ";") + 1;
  return extent(text, begin + 1, (i) => text[i] === "}") + 1;
}

/** The first place from `from` on, outside of brackets and strings, at which `isEnd` holds. */
function extent(text, from, isEnd) {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    if (depth === 0 && isEnd(i)) return i;
    if (/["`]/.test(text[i])) i = text.indexOf(text[i], i + 1);
    else if (/[([{]/.test(text[i])) depth++;
    else if (/[)\]}]/.test(text[i])) depth--;
  }
  throw new Error(`no end in ${text.slice(from)}`);
}

/** Leaves out functions and objects that this form does not use, with the comments above them. */
function withoutUnused(lines) {
  for (const [i, { text }] of lines.entries()) {
    const [, indent, name, isBlock] =
      /^( *)(?:(?:async )?function |const (?=\w+ = new ))(\w+)\b.*?({)?$/.exec(text) ?? [];
    if (
      name === undefined ||
      indent === "" ||
      lines.some((one, k) => k !== i && new RegExp(`\\b${name}\\b`).test(one.text))
    )
      continue;
    const end = isBlock === undefined ? i : lines.findIndex((one, k) => k > i && one.text.startsWith(`${indent}}`));
    let begin = i;
    while (lines[begin - 1].text.trim().startsWith("//")) begin--;
    return withoutUnused([...lines.slice(0, begin), ...lines.slice(end + 1)]);
  }
  return lines;
}

// ------------------------------------------------------------------------------------------------------------ the code that runs

/** The source, with calls that say which line is reached. `reached` is the path of the module that has them. */
export function instrumented(source, reached) {
  const lines = source.split("\n").map((line, i) => {
    const whole = line.includes("for await (") ? loop(line, i + 1) : line;
    return whole.replace(/(?<!for )\bawait (?=\S)/g, `__at(${i + 1}) && await `);
  });
  return `import { at as __at, each as __each } from ${JSON.stringify(reached)};${lines.join("\n")}`;
}

/** A loop reaches its line each time that it asks for a value. */
function loop(line, number) {
  const begin = line.indexOf(" of ") + 4;
  const end = extent(line, begin, (i) => line[i] === ")");
  return `${line.slice(0, begin)}__each(${number}, ${line.slice(begin, end)})${line.slice(end)}`;
}
