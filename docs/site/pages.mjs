/**
 * The pages of the site: which there are, where each is, and in which part of the list beside them.
 *
 * A page keeps the path that it has under docs/. The README of a folder is its index, and those of the root are beside them: README.md is the
 * front page, and docs/README.md is `pages.md`.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Where the pages are put for VitePress. */
export const source = join(root, ".build", "site-source");

/** The site. */
export const output = join(root, ".build", "site");

/** The folder of the API reference in both. */
export const REFERENCE = "reference";

/** The address of the page "Stop it anywhere" in the site. */
export const PLAY = "play/index.html";

/** That page, as docs/play/build.mjs makes it. */
export const built = join(root, ".build", "play", "index.html");
export const hasPlay = () => existsSync(built);

const byName = (a, b) => (a < b ? -1 : 1);

function filesUnder(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter(({ name }) => name !== "node_modules" && !name.startsWith("."))
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      return entry.isDirectory() ? filesUnder(path) : [path];
    })
    .sort(byName);
}

/** The place in the site of a page of the repository. */
function placeOf(file) {
  if (file === "README.md") return "index.md";
  if (file === "docs/README.md") return "pages.md";
  const path = file.startsWith("docs/") ? file.slice("docs/".length) : file.toLowerCase();
  return path.replace(/(^|\/)readme\.md$/i, "$1index.md");
}

/** What is no part of the site: this folder, and the page that is one by itself. */
const isApart = (file) => /^docs\/(site|play)\//.test(file);

/** The pages: from their path in the repository to their place in the site. */
export const pages = new Map(
  [
    ...readdirSync(root).filter((name) => name.endsWith(".md")),
    ...filesUnder("docs").filter((file) => file.endsWith(".md") && !isApart(file)),
    "bench/README.md",
  ].map((file) => [file, placeOf(file)]),
);

/** The pictures that the pages show, at the places where those look for them. */
export const pictures = new Map(
  filesUnder("docs")
    .filter((file) => /\.(svg|png|webp|gif|jpe?g)$/.test(file) && !isApart(file))
    .map((file) => [file, placeOf(file)]),
);

const fileOf = new Map([...pages].map(([file, place]) => [place, file]));

/** The path in the repository of a page of the site; undefined for what is made for the site alone. */
export const sourceOf = (place) => fileOf.get(place);

/**
 * The target of a link of a page: `{ place }` of another page, `{ file }` of the repository, or undefined for what is somewhere else, or
 * on the page itself.
 */
export function targetOf(page, link) {
  if (/^([a-z][a-z+.-]*:|\/\/|#|$)/i.test(link)) return undefined;
  const [path, anchor] = link.split("#");
  const file = normalize(join(dirname(page), decodeURIComponent(path))).replace(/\/$/, "");
  const hash = anchor === undefined ? "" : `#${anchor}`;
  const place = pages.get(file) ?? pages.get(`${file}/README.md`);
  if (place !== undefined) return { place, hash };
  return existsSync(join(root, file)) ? { file, hash } : undefined;
}

/** The first heading of a page. */
export function titleOf(file) {
  const [, title = file] = /^# +(.+)$/m.exec(readFileSync(file, "utf8")) ?? [];
  return title.replaceAll(/[`*]|\[([^\]]*)\]\([^)]*\)/g, "$1").trim();
}

// ------------------------------------------------------------------------------------------------------------- the list of pages

/** The parts of the list, and the pages in each, by their places: a name, or a pattern, whose pages come in the order of their paths. */
const PARTS = [
  ["Begin", ["start.md", "coming-from.md", "faq.md", "glossary.md"]],
  ["Learn", [/^learn\//]],
  [
    "Use",
    [
      "cookbook.md",
      /^cookbook\//,
      "libraries.md",
      "testing.md",
      "debug.md",
      "lint.md",
      "worker.md",
      "observability.md",
      /^brokers\//,
      "saga.md",
      "borders.md",
    ],
  ],
  ["Look up", ["rosetta.md", /^rosetta\//, "api.md", "semantics.md", "runtimes.md"]],
  ["Figures", [/^benchmarks.*\.md$/, /^figures\//, "bench/index.md"]],
  [
    "The project",
    ["pages.md", "design.md", "changelog.md", "contributing.md", "releasing.md", "security.md", "code_of_conduct.md"],
  ],
];

/** Titles that are too long for the list. */
const SHORT = { "pages.md": "All pages", "index.md": "headgate" };

const itemOf = (place) => ({
  text: SHORT[place] ?? titleOf(join(source, place)),
  link: `/${place.replace(/(^|\/)index\.md$/, "$1").replace(/\.md$/, ".html")}`,
});

/** The pages of a pattern: an index before what it is the index of. */
function matching(places, pattern) {
  const rank = (place) => place.replace(/(^|\/)index\.md$/, "$1");
  return [...places].filter((place) => pattern.test(place)).sort((a, b) => byName(rank(a), rank(b)));
}

/** The list beside the pages. Every page is in it, the front page excepted. */
export function listOfPages() {
  const left = new Set([...pages.values()].filter((place) => place !== "index.md"));
  const parts = PARTS.map(([text, entries]) => {
    const places = entries.flatMap((entry) =>
      typeof entry === "string" ? [...left].filter((place) => place === entry) : matching(left, entry),
    );
    for (const place of places) left.delete(place);
    return { text, items: places.map(itemOf) };
  });
  const others = [...left].map(itemOf);
  return [...parts, { text: "More", items: others }, referenceItems()].filter(({ items }) => items.length > 0);
}

/** The entry points in the API reference, if it has been made. */
function referenceItems() {
  const folder = join(source, REFERENCE);
  const files = existsSync(folder)
    ? readdirSync(folder, { recursive: true }).filter((file) => file.endsWith(".md"))
    : [];
  const items = files
    .filter((file) => file !== "index.md")
    .map((file) => file.replaceAll("\\", "/"))
    .sort(byName)
    .map((path) => ({
      text: titleOf(join(folder, path)),
      link: `/${REFERENCE}/${path.replace(/\.md$/, ".html")}`,
    }));
  return { text: "API reference", items };
}
