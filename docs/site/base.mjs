/**
 * Makes the site independent of its place: VitePress writes one base path into everything, and this takes it out again.
 *
 * In a page, the path becomes relative to the page. Before the scripts run, a line at its end gives its links the whole path, because the
 * page that is shown changes without being loaded. In a script, the path becomes a variable, which a line at the top of each page sets.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** Stands for the path at which the site is. It occurs nowhere else. */
export const BASE = "/headgate-base-path/";
const VARIABLE = "globalThis.headgateBase";

/** Each literal of a script that has the path in it, as an expression with the variable. */
export function scriptWithout(code, parse) {
  const edits = [];
  function visit(node) {
    if (node === null || typeof node !== "object") return;
    if (Array.isArray(node)) return node.forEach(visit);
    if (node.type === "Literal" && typeof node.value === "string" && node.raw.includes(BASE)) {
      edits.push([node.start, node.end, `(${node.raw}).replaceAll(${JSON.stringify(MARK)},${VARIABLE})`]);
    }
    if (node.type === "TemplateElement") {
      const text = code.slice(node.start, node.end);
      if (text.includes(BASE)) edits.push([node.start, node.end, text.replaceAll(BASE, `\${${VARIABLE}}`)]);
    }
    for (const key of Object.keys(node)) if (key !== "type") visit(node[key]);
  }
  visit(parse(code));
  let out = code;
  for (const [begin, end, text] of edits.sort(([a], [b]) => b - a)) out = out.slice(0, begin) + text + out.slice(end);
  return out.replaceAll(BASE, MARK);
}

/** The path in literals, which nothing takes for the base. */
const MARK = "/headgate-base/";

/** A page at a depth of so many folders. */
export function pageWithout(html, depth) {
  const up = depth === 0 ? "./" : "../".repeat(depth);
  const begin = `<script>${VARIABLE}=new URL(${JSON.stringify(up)},location.href).pathname</script>`;
  const end =
    "<script>for(const a of document.querySelectorAll('[href^=\".\"]'))" +
    "if(a.tagName==='A'){const u=new URL(a.getAttribute('href'),location.href);a.setAttribute('href',u.pathname+u.search+u.hash)}</script>";
  return html
    .replace(/(<script[^>]*>)([^]*?)(<\/script>)/g, (whole, open, code, close) =>
      code.includes(BASE) ? `${open}${inlineWithout(code)}${close}` : whole,
    )
    .replaceAll(BASE, up)
    .replace("<head>", () => `<head>${begin}`)
    .replace("</body>", () => `${end}</body>`);
}

/** The data of the site, which a page has as JSON in a string. */
function inlineWithout(code) {
  const marked = code.replaceAll(BASE, MARK);
  return marked.replaceAll(/JSON\.parse\(("(?:[^"\\]|\\.)*")\)/g, (whole, text) =>
    text.includes(MARK) ? `JSON.parse(${text}.replaceAll(${JSON.stringify(MARK)},${VARIABLE}))` : whole,
  );
}

/** Takes the path out of all files of a site. */
export function withoutBase(folder, parse) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const entry of files) {
    const file = join(entry.parentPath, entry.name);
    if (!/\.(html|js|css)$/.test(file)) continue;
    const text = readFileSync(file, "utf8");
    if (!text.includes(BASE)) continue;
    const depth = relative(folder, dirname(file)).split(/[\\/]/).filter(Boolean).length;
    if (file.endsWith(".html")) writeFileSync(file, pageWithout(text, depth));
    else if (file.endsWith(".js")) writeFileSync(file, scriptWithout(text, parse));
    else writeFileSync(file, text.replaceAll(BASE, "../".repeat(depth)));
  }
}
