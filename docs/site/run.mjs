/**
 * Makes the site in .build/site: all pages, the API reference, and the page "Stop it anywhere".
 *
 *     npm ci --prefix docs/site
 *     npm run docs                     makes it
 *     npm run docs -- --preview        makes it, and serves it on the loopback address; --port N
 *
 * The site may be served from any folder. What it needs and is not installed is left out, and said: the reference needs
 * `npm ci --prefix scripts/api`, the page `npm ci --prefix docs/play`.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { withoutBase } from "./base.mjs";
import { built, output, pages, pictures, PLAY, REFERENCE, root, source } from "./pages.mjs";
import { serve } from "./server.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const { preview = false, port = "4173" } = parseArgs({
  options: { preview: { type: "boolean" }, port: { type: "string" } },
}).values;

const run = (...args) => execFileSync(process.execPath, args, { cwd: root, stdio: "inherit" });
const isInstalled = (folder) => existsSync(join(root, folder, "node_modules"));

function copyPages() {
  rmSync(source, { recursive: true, force: true });
  for (const [file, place] of [...pages, ...pictures]) {
    mkdirSync(dirname(join(source, place)), { recursive: true });
    cpSync(join(root, file), join(source, place));
  }
}

/** Makes the API reference, or a page that says that it was not made. */
function makeReference() {
  if (isInstalled("scripts/api")) {
    run(join(root, "scripts/api/run.mjs"), "--markdown", join(source, REFERENCE));
    mendAnchors();
    return;
  }
  console.log("SKIPPED the API reference of the site: npm ci --prefix scripts/api");
  mkdirSync(join(source, REFERENCE), { recursive: true });
  writeFileSync(
    join(source, REFERENCE, "index.md"),
    "# API reference\n\nIt was not made with this site. [Every public name](../api.md) has a line of its own.\n",
  );
}

/**
 * The reference counts a heading that it does not write, such as that of an option called as its interface: `#instrumentoptions-1` has
 * no heading. Such links lead to the only heading of that name.
 */
function mendAnchors() {
  for (const file of readdirSync(join(source, REFERENCE), { recursive: true })) {
    if (!file.endsWith(".md")) continue;
    const path = join(source, REFERENCE, file);
    const text = readFileSync(path, "utf8");
    const headings = text.match(/^#+ .*/gm)?.map((line) => line.toLowerCase().replace(/^#+ |[^a-z0-9-]/g, "")) ?? [];
    const mended = text.replace(/\]\(#([a-z0-9]+)-(\d+)\)/g, (link, name, n) =>
      headings.filter((heading) => heading === name).length > Number(n) ? link : `](#${name})`,
    );
    if (mended !== text) writeFileSync(path, mended);
  }
}

function makePlay() {
  if (!isInstalled("docs/play")) {
    console.log('SKIPPED the page "Stop it anywhere" of the site: npm ci --prefix docs/play');
    return;
  }
  run(join(root, "docs/play/build.mjs"), "--no-open");
}

/** The library that draws the pictures in the browser, without what is only for debugging it. */
function copyMermaid() {
  const from = join(here, "node_modules/mermaid/dist");
  const to = join(output, "assets/mermaid");
  const filter = (file) => !file.endsWith(".map");
  cpSync(join(from, "mermaid.esm.min.mjs"), join(to, "mermaid.esm.min.mjs"));
  cpSync(join(from, "chunks/mermaid.esm.min"), join(to, "chunks/mermaid.esm.min"), { recursive: true, filter });
}

if (!isInstalled("docs/site")) {
  console.error("the site's generator is not installed: npm ci --prefix docs/site");
  process.exit(1);
}
copyPages();
makeReference();
makePlay();
const { build } = await import("vitepress");
const { parseAst } = await import("rollup/parseAst");
await build(here);
withoutBase(output, parseAst);
copyMermaid();
if (existsSync(built)) {
  mkdirSync(dirname(join(output, PLAY)), { recursive: true });
  cpSync(built, join(output, PLAY));
}
console.log(`the site is in ${output}`);
if (preview) {
  const { address } = await serve(output, { port: Number(port) });
  console.log(`served at ${address}`);
}
