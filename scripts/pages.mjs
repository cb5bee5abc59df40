/**
 * Puts programs and figures into the pages: `node scripts/pages.mjs [--check]`. With `--check` nothing is written, and a stale page is a
 * failure. `--root DIR` takes the pages of another folder.
 *
 *     <!-- file: docs/learn/05-sigterm/broken.ts -->      the text of a file, in a fence
 *     <!-- end of file -->
 *     <!-- file: docs/rosetta/05-chan.go#show -->         its part between `// #region show` and `// #endregion`
 *     <!-- end of file -->
 *     … <!-- figures: docs/learn/figures.json lost -->26 of 40<!-- end --> …
 *
 * Paths begin at the root. A marker of a file stands alone in its line; what is between it and its end is written again. The fence keeps its
 * info string; a new one has it by the ending of the file. Shown code has no lines of regions, no `//@ …`, no indent in common, and
 * four spaces for a tab.
 *
 * A figure is a string or a number. Its key is a name of the JSON object, or a path of names such as `worker.lost`.
 *
 * Markers in fences and in `code` are text.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The info string of a new fence, by the ending of the file. */
const INFO = { ".ts": "ts shown", ".mts": "ts shown", ".js": "js shown", ".mjs": "js shown", ".go": "go", ".sh": "sh" };

const BEGIN = /^\s*<!-- file: (\S+?)(?:#(\S+))? -->\s*$/;
const END = /^\s*<!-- end of file -->\s*$/;
/** Code in a line, which is left alone, or the beginning of a figure, and its end if there is one. */
const FIGURE = /(`+)[^`].*?\1|<!-- figures: (\S+) (.+?) -->(?:([^<]*)<!-- end -->)?/g;
/** Something that looks like a marker, and is none. */
const UNKNOWN = /<!-- *(?:file:|figures:|end of file|end -->)/;

/** A fault of a page; `line` counts from 1. */
class Fault extends Error {
  constructor(page, line, message) {
    super(`${page}:${line}: ${message}`);
  }
}

// ------------------------------------------------------------------------------------------------------------------------- files

/** The text of a file of `root`; undefined if there is none. */
function textOf(root, path) {
  const file = join(root, path);
  return existsSync(file) ? readFileSync(file, "utf8").replaceAll("\r\n", "\n") : undefined;
}

/** The lines of the region `name`, or all lines. Throws a text if there is no such region, or one has no end. */
function linesOf(text, path, name) {
  const lines = text.split("\n");
  const open = [];
  const found = [];
  let isFound = name === undefined;
  for (const line of lines) {
    const begin = /^\s*(?:\/\/|#) *#region (\S+)\s*$/.exec(line);
    if (begin !== null) {
      if (begin[1] === name && isFound) throw `${path} has two regions ${name}`;
      isFound ||= begin[1] === name;
      open.push(begin[1]);
    } else if (/^\s*(?:\/\/|#) *#endregion\b/.test(line)) {
      if (open.pop() === undefined) throw `${path} has an #endregion without a #region`;
    } else if ((name === undefined || open.includes(name)) && !/^\s*\/\/@/.test(line)) {
      found.push(line.replace(/\s*\/\/@.*$/, "").replaceAll("\t", "    "));
    }
  }
  if (open.length > 0) throw `the region ${open.at(-1)} of ${path} has no #endregion`;
  if (!isFound) throw `${path} has no region ${name}`;
  return trimmed(found);
}

/** Without empty lines at its ends, and without the indent that all lines share. */
function trimmed(lines) {
  const isText = (line) => line.trim() !== "";
  const shown = lines.slice(lines.findIndex(isText), lines.findLastIndex(isText) + 1);
  const indents = shown.filter(isText).map((line) => /^\s*/.exec(line)[0].length);
  const least = indents.length === 0 ? 0 : Math.min(...indents);
  return shown.map((line) => line.slice(least));
}

/** The code in a fence. `before` is what stood there: its info string stays. */
function fenced(code, path, before) {
  const old = before.map((line) => /^(`{3,})\s*(.*)$/.exec(line)).find((match) => match !== null);
  const info = old?.[2] || (INFO[extname(path)] ?? "text");
  const longest = Math.max(2, ...code.flatMap((line) => (line.match(/`+/g) ?? []).map(({ length }) => length)));
  const fence = "`".repeat(longest + 1);
  return [fence + info, ...code, fence];
}

// ------------------------------------------------------------------------------------------------------------------------ figures

/** The figure at `key` of a JSON file. Throws a text if there is none. */
function figureOf(root, path, key) {
  const text = textOf(root, path);
  if (text === undefined) throw `there is no file ${path}`;
  let json;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw `${path} is not JSON: ${error.message}`;
  }
  const own = (value, name) =>
    typeof value === "object" && value !== null && Object.hasOwn(value, name) ? value[name] : undefined;
  const figure = own(json, key) ?? key.split(".").reduce(own, json);
  if (figure === undefined) throw `${path} has no figure ${key}`;
  if (typeof figure !== "string" && typeof figure !== "number") throw `${key} of ${path} is not a string or a number`;
  return String(figure);
}

// -------------------------------------------------------------------------------------------------------------------------- pages

/** The text that a page should have. Throws an Error that names the page and the line. */
export function render(text, page, root) {
  const lines = text.split("\n");
  const out = [];
  let fence = null;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i];
    const fail = (message) => new Fault(page, i + 1, message);
    const said = (work) => {
      try {
        return work();
      } catch (error) {
        throw typeof error === "string" ? fail(error) : error;
      }
    };
    const mark = /^\s*(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence !== null || mark !== undefined) {
      if (fence === null) fence = mark;
      else if (mark !== undefined && mark.startsWith(fence) && line.trim() === mark) fence = null;
      out.push(line);
      continue;
    }
    const begin = BEGIN.exec(line);
    if (begin === null) {
      const shown = line.replaceAll(FIGURE, (all, code, path, key, value) => {
        if (code !== undefined) return all;
        if (value === undefined) throw fail(`the figure ${key} has no <!-- end --> in its line`);
        return `<!-- figures: ${path} ${key} -->${said(() => figureOf(root, path, key))}<!-- end -->`;
      });
      const rest = shown.replaceAll(FIGURE, "");
      if (END.test(rest)) throw fail("<!-- end of file --> without a <!-- file: … -->");
      if (UNKNOWN.test(rest)) throw fail(`this marker is not of the form of scripts/pages.mjs: ${rest.trim()}`);
      out.push(shown);
      continue;
    }
    const [, path, region] = begin;
    const end = lines.findIndex((other, j) => j > i && (END.test(other) || BEGIN.test(other)));
    if (end < 0 || !END.test(lines[end])) throw fail(`<!-- file: ${path} --> has no <!-- end of file -->`);
    const file = textOf(root, path);
    if (file === undefined) throw fail(`there is no file ${path}`);
    const code = said(() => linesOf(file, path, region));
    out.push(line, ...fenced(code, path, lines.slice(i + 1, end)), lines[end]);
    i = end;
  }
  return out.join("\n");
}

function pagesUnder(root, folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === "node_modules" || folder === "" ? [] : pagesUnder(root, path);
    return path.endsWith(".md") ? [path] : [];
  });
}

/** Brings the pages up to date, or with `check` only looks. Returns the stale pages, and what is wrong with the others. */
export function update(root, check) {
  const stale = [];
  const faults = [];
  for (const page of [...pagesUnder(root, ""), ...pagesUnder(root, "docs"), ...pagesUnder(root, "bench")]) {
    const text = readFileSync(join(root, page), "utf8");
    try {
      const now = render(text, page, root);
      if (now === text) continue;
      stale.push(page);
      if (!check) writeFileSync(join(root, page), now);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      faults.push(error.message);
    }
  }
  return { stale, faults };
}

function main(args) {
  let root = fileURLToPath(new URL("..", import.meta.url));
  let check = false;
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--check") check = true;
    else if (args[i] === "--root" && args[i + 1] !== undefined) root = args[++i];
    else {
      console.error(`pages: there is no option ${args[i]}; there are --check and --root DIR`);
      return 2;
    }
  }
  const { stale, faults } = update(root, check);
  for (const page of stale) {
    if (check) console.error(`${page} is stale: run node scripts/pages.mjs`);
    else console.log(`${page} is written`);
  }
  for (const fault of faults) console.error(fault);
  return faults.length > 0 || (check && stale.length > 0) ? 1 : 0;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.exitCode = main(process.argv.slice(2));
}
