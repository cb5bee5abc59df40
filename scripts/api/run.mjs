/**
 * Makes the API reference from the docstrings, in `.build/api/`, and the page docs/api.md: `npm run docs:api`, after
 * `npm ci --prefix scripts/api`. With `--check` the page is not written, and a stale one is a failure. With `--markdown DIR` the
 * reference is Markdown instead, in that folder, for the site.
 *
 * A number such as (C5) leads to its row in docs/semantics.md, and a name to its source: in the repository that this runs in, else on this
 * disk. A name that is referred to and not documented is an error, and so is a link that leads nowhere.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Application, Converter, DocumentReflection, MarkdownEvent, OptionDefaults, ReflectionKind } from "typedoc";
import { pageHere } from "../release.mjs";
import { page as pageOf } from "./page.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

const { check = false, markdown } = parseArgs({
  options: { check: { type: "boolean" }, markdown: { type: "string" } },
}).values;
const semantics = join(root, "docs", "semantics.md");
const NUMBERS = /\(([A-Z]\d+(?:, [A-Z]\d+)*)\)/g;
/** The numbers that the page has a row for. */
const rows = new Set([...readFileSync(semantics, "utf8").matchAll(/^\| ([A-Z]\d+) \|/gm)].map(([, number]) => number));

/** What git says, or undefined. */
function git(...args) {
  try {
    return execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return undefined;
  }
}

const page = pageHere(process.env, git("remote", "get-url", "origin") ?? "");
const sources =
  page === undefined ? pathToFileURL(root).href.replace(/\/$/, "") : `${page}/blob/${git("rev-parse", "HEAD")}`;

/** The site has the other pages already, and a source whose address is not known leads nowhere. */
const asMarkdown = {
  plugin: ["typedoc-plugin-markdown"],
  out: markdown,
  router: "module",
  entryFileName: "index",
  readme: "none",
  projectDocuments: [],
  disableSources: page === undefined,
  hidePageHeader: true,
  hideBreadcrumbs: true,
  useCodeBlocks: true,
  parametersFormat: "table",
  propertyMembersFormat: "table",
  typeAliasPropertiesFormat: "table",
  interfacePropertiesFormat: "list",
};

const app = await Application.bootstrapWithPlugins({
  name: `headgate ${manifest.version}`,
  tsconfig: join(root, "tsconfig.json"),
  entryPoints: Object.values(manifest.exports).flatMap((target) =>
    typeof target === "string" ? [] : [join(root, target.default.replace("./dist/", "src/").replace(/\.js$/, ".ts"))],
  ),
  out: join(root, ".build", "api"),
  cacheBust: false,
  readme: join(root, "README.md"),
  projectDocuments: ["semantics", "worker", "saga", "testing", "borders", "runtimes"].map((name) =>
    join(root, "docs", `${name}.md`),
  ),
  basePath: root,
  displayBasePath: root,
  disableGit: true,
  sourceLinkTemplate: `${sources}/{path}#L{line}`,
  gitRevision: "main",
  highlightLanguages: [...OptionDefaults.highlightLanguages, "mermaid", "sql"],
  excludeInternal: true,
  excludePrivate: true,
  // Parts of public types; no program names them.
  intentionallyNotExported: ["Case", "CaseResult", "IndexOf", "With", "AbortSignal"],
  validation: { notExported: true, invalidLink: true, invalidPath: true, rewrittenLink: true },
  treatWarningsAsErrors: true,
  ...(markdown === undefined ? {} : asMarkdown),
});

/** The parts of a text, in which each number of the page is a link to its row. */
function linked(text, id) {
  if (markdown !== undefined) {
    const inSite = (number) => (rows.has(number) ? `[${number}](/semantics.md#${number.toLowerCase()})` : number);
    return [{ kind: "text", text: text.replace(/\b[A-Z]\d+\b/g, inSite) }];
  }
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(/\b[A-Z]\d+\b/g)) {
    if (!rows.has(match[0])) continue;
    parts.push({ kind: "text", text: `${text.slice(end, match.index)}[${match[0]}](` });
    parts.push({ kind: "relative-link", text: "semantics.md", target: id, targetAnchor: match[0].toLowerCase() });
    parts.push({ kind: "text", text: ")" });
    end = match.index + match[0].length;
  }
  return [...parts, { kind: "text", text: text.slice(end) }];
}

function withLinks(parts, id) {
  return parts.flatMap((part) => {
    if (part.kind !== "text") return [part];
    const pieces = part.text.split(new RegExp(`(${NUMBERS.source.replace("([A-Z]", "(?:[A-Z]")})`));
    return pieces.flatMap((piece, i) => (i % 2 === 1 ? linked(piece, id) : [{ kind: "text", text: piece }]));
  });
}

app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
  // By the names that a program imports them by.
  for (const module of project.getReflectionsByKind(ReflectionKind.Module)) {
    module.name = module.name.replace(/^src/, manifest.name);
  }
  const { target: id } = project.files.register(join(root, "src", "index.ts"), "../docs/semantics.md");
  for (const { comment } of Object.values(project.reflections)) {
    if (comment === undefined) continue;
    comment.summary = withLinks(comment.summary, id);
    for (const tag of comment.blockTags) if (tag.tag !== "@example") tag.content = withLinks(tag.content, id);
  }
});

// The rows of the page get their anchors.
app.renderer.on(MarkdownEvent.PARSE, (event) => {
  const { model } = event.page;
  if (!(model instanceof DocumentReflection) || model.name !== "docs/semantics") return;
  const slugger = app.renderer.router.getSlugger(model);
  event.parsedText = event.parsedText.replace(
    /<td>([A-Z]\d+)<\/td>/g,
    (_, number) => `<td id="${slugger.slug(number)}">${number}</td>`,
  );
});

/** Writes the page, or compares it. */
function makePage(project) {
  const file = join(root, "docs", "api.md");
  const { text, faults, count } = pageOf(project);
  for (const fault of faults) app.logger.error(fault);
  if (faults.length > 0) return;
  const old = existsSync(file) ? readFileSync(file, "utf8") : "";
  if (old === text) console.log(`docs/api.md has its ${count} names`);
  else if (check) app.logger.error("docs/api.md is stale: npm run docs:api");
  else writeFileSync(file, text);
}

const isRight = () => !app.logger.hasErrors() && !app.logger.hasWarnings();

const project = await app.convert();
if (project !== undefined) {
  app.validate(project);
  if (markdown === undefined) makePage(project);
  if (isRight()) await app.generateOutputs(project);
}
process.exitCode = project !== undefined && isRight() ? 0 : 1;
