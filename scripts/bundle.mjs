/**
 * The second half of the build. Puts the JavaScript of the core into one file, `dist/core.js`, and says in the declarations where the
 * numbers lead that their comments cite.
 *
 * To find, open and compile a file costs Node more than to run it: as some thirty files the core takes ten times as long to import. All
 * modules stay where they are, with the names they had. Those of the core hand on what core.js has; the compositions, which are imported
 * by themselves, have their own code. What the compiler needs for `using` is in one file, too: `dist/using.js`.
 *
 * Rollup only puts modules together. It changes no statement, and leaves out only what nothing uses: what is shipped is what is tested.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { rollup } from "rollup";
import { parseAst } from "rollup/parseAst";
import { SyntaxKind } from "typescript/unstable/ast";
import { createScanner } from "typescript/unstable/ast/scanner";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");

const filesIn = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"));

/** The modules, by their paths without an ending. */
const modules = filesIn(join(root, "src")).map((file) => file.replace(/\.ts$/, ""));

/** What has its own code: the compositions. */
const isApart = (module) => /^signal$|^(worker|testing|saga|debug|eslint|otel)\//.test(module);

/** The index stays as it is compiled: of the namespaces that it names, a bundler takes what is used. */
const INDEX = "index";

// -------------------------------------------------------------------------------------------------------------- the JavaScript

/**
 * The code without its comments, which are in `src` and in the declarations: they are a quarter of the archive's JavaScript. What tells a
 * bundler that a call has no effect stays. All code stays in its place, as the source maps have it.
 */
function withoutComments(code) {
  const literals = [];
  const visit = (node) => {
    if (node.type === "Literal" || node.type === "TemplateElement") literals.push([node.start, node.end]);
    // A property of a node is a node, a list of them, or plain.
    for (const child of Object.values(node).flat()) if (child?.type !== undefined) visit(child);
  };
  visit(parseAst(code));
  literals.sort(([a], [b]) => a - b);
  const blank = (between) =>
    between
      .replace(/\/\*[^]*?\*\/|\/\/.*/g, (comment) =>
        /@__|#__|^\/\/# /.test(comment) ? comment : comment.replace(/[^\n]/g, " "),
      )
      .replace(/ +(?=\n)/g, "");
  let [said, at] = ["", 0];
  for (const [start, end] of literals) {
    said += blank(code.slice(at, start)) + code.slice(start, end);
    at = end;
  }
  return said + blank(code.slice(at));
}

const bundle = await rollup({
  input: Object.fromEntries(
    modules.filter((module) => module !== INDEX).map((module) => [module, join(dist, `${module}.js`)]),
  ),
  external: /^node:/,
  plugins: [
    {
      name: "the compiler's output, with its source maps",
      resolveId: (id) => (id === "tslib" ? join(root, "node_modules/tslib/tslib.es6.mjs") : undefined),
      load(id) {
        if (!id.startsWith(dist)) return undefined;
        return { code: withoutComments(readFileSync(id, "utf8")), map: readFileSync(`${id}.map`, "utf8") };
      },
    },
  ],
  preserveEntrySignatures: "strict",
  onLog(level, log) {
    // A module of types alone has no JavaScript.
    if (log.code !== "EMPTY_BUNDLE") throw new Error(`${level}: ${log.message}`);
  },
});

const { output } = await bundle.write({
  dir: dist,
  format: "es",
  entryFileNames: "[name].js",
  chunkFileNames: "[name].js",
  manualChunks(id) {
    if (id.includes("tslib")) return "using";
    const module = relative(dist, id).replaceAll("\\", "/").replace(/\.js$/, "");
    return isApart(module) ? undefined : "core";
  },
  minifyInternalExports: false,
  hoistTransitiveImports: false,
  sourcemap: "hidden",
  sourcemapExcludeSources: true,
  plugins: [
    {
      name: "a source map for each file with code of its own",
      generateBundle(_, files) {
        for (const { type, fileName, sourcemapFileName, moduleIds } of Object.values(files)) {
          if (type !== "chunk") continue;
          if (moduleIds.length === 0) delete files[sourcemapFileName];
          else files[fileName].code += `//# sourceMappingURL=${basename(sourcemapFileName)}\n`;
        }
      },
    },
  ],
});
await bundle.close();

// ------------------------------------------------------------------------------------------------------------ the declarations

/** An editor shows the comments of the declarations, and there a number such as (C5) leads nowhere by itself. */
const NUMBERS = /\(((?:[CEFGHMNSTWY]\d+(?:, )?)+)\)/g;

/** The text of a declaration file, with the page beside each number in its comments. All stays in its line, as the source maps have it. */
function withPages(text) {
  const scanner = createScanner(false, undefined, text);
  // Each brace that is open, and whether it is one of a template: what follows the end of that is template again.
  const braces = [];
  let said = "";
  for (let kind; (kind = scanner.scan()) !== SyntaxKind.EndOfFile;) {
    if (kind === SyntaxKind.CloseBraceToken && braces.at(-1)) kind = scanner.reScanTemplateToken(false);
    if (kind === SyntaxKind.TemplateHead || kind === SyntaxKind.OpenBraceToken) {
      braces.push(kind === SyntaxKind.TemplateHead);
    } else if (kind === SyntaxKind.TemplateTail || kind === SyntaxKind.CloseBraceToken) braces.pop();
    const token = text.slice(scanner.getTokenFullStart(), scanner.getTokenEnd());
    said += kind === SyntaxKind.MultiLineCommentTrivia ? token.replace(NUMBERS, "($1 in docs/semantics.md)") : token;
  }
  return said;
}

for (const module of modules) {
  const path = join(dist, `${module}.d.ts`);
  writeFileSync(path, withPages(readFileSync(path, "utf8")));
}

// ----------------------------------------------------------------------- what is left of the compiler's output, and of other builds

const own = new Set([
  ...output.map(({ fileName }) => fileName),
  `${INDEX}.js`,
  `${INDEX}.js.map`,
  ...modules.flatMap((module) => [`${module}.d.ts`, `${module}.d.ts.map`]),
]);
for (const file of filesIn(dist)) if (!own.has(file)) rmSync(join(dist, file));
