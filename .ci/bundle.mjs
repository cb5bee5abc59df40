/**
 * The second half of the build. Puts the JavaScript of the core into one file, `dist/core.js`, and says in the declarations where the
 * numbers lead that their comments cite.
 *
 * To find, open and compile a file costs Node more than to run it: as some thirty files the core takes ten times as long to import. All
 * modules stay where they are, with the names they had, and hand on what core.js has; so nothing else has to know. What is imported of
 * it is for a bundler to sort out, as before: the file consists of declarations without effects.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const dist = fileURLToPath(new URL("../dist/", import.meta.url));

/** What stays as it is: the compositions, which are imported by themselves, and the index. */
const apart = /^(index|signal|core)\.js$|^(worker|testing|saga)\//;

const modules = readdirSync(dist, { recursive: true })
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => file.endsWith(".js") && !apart.test(file))
  .sort((a, b) => (a < b ? -1 : 1));

/** Each export of a module, by the name it has there and the one it has in core.js. */
async function exportsOf(file) {
  const prefix = file.slice(0, -3).replace(/\W/g, "_");
  return Object.keys(await import(join(dist, file))).map((name) => [name, `${prefix}_${name}`]);
}

const named = await Promise.all(modules.map(async (file) => [file, await exportsOf(file)]));

const list = (names, from) => (names.length === 0 ? "" : `export { ${names.join(", ")} } from "${from}";\n`);

await build({
  stdin: {
    contents: named
      .map(([file, names]) =>
        list(
          names.map(([name, all]) => `${name} as ${all}`),
          `./${file}`,
        ),
      )
      .join(""),
    resolveDir: dist,
    sourcefile: "core",
  },
  outfile: join(dist, "core.js"),
  bundle: true,
  format: "esm",
  target: "es2022",
  sourcemap: true,
  sourcesContent: false,
  logLevel: "warning",
});

// esbuild declares everything with var. What never changes is made const again, so that V8 can rely on it: with var, every
// `instanceof Chan` looks Chan up, and a select takes a tenth longer.
const core = join(dist, "core.js");
const text = readFileSync(core, "utf8");
const changes = (name) =>
  new RegExp(`(\\+\\+|--)${name}\\b|(?<!\\bvar )(?<![.\\w$])${name} ?(\\+\\+|--|[-+*/%&|^?]{0,3}=(?![=>]))`).test(text);
writeFileSync(
  core,
  text.replace(/^var (\w+) = /gm, (all, name) => (changes(name) ? all : `const ${name} = `)),
);

for (const [file, names] of named) {
  const path = relative(dirname(join(dist, file)), core);
  const from = path.startsWith(".") ? path : `./${path}`;
  writeFileSync(
    join(dist, file),
    list(
      names.map(([name, all]) => `${all} as ${name}`),
      from,
    ) || "export {};\n",
  );
  rmSync(join(dist, `${file}.map`), { force: true });
}

// The compiler's helpers ask for `this` at the top of a module, where it is undefined, and rollup warns the user of each.
for (const file of readdirSync(dist, { recursive: true }).filter((file) => file.endsWith(".js"))) {
  const path = join(dist, file);
  const text = readFileSync(path, "utf8");
  const plain = text.replace(/\(this && this\.__\w+\) \|\| /g, "");
  if (plain !== text) writeFileSync(path, plain);
}

// An editor shows the comments of the declarations, and there a number such as (C5) leads nowhere by itself. All stays in its line, as the
// source maps have it.
for (const file of readdirSync(dist, { recursive: true }).filter((file) => file.endsWith(".d.ts"))) {
  const path = join(dist, file);
  const said = readFileSync(path, "utf8").replace(/\/\*\*[^]*?\*\//g, (comment) =>
    comment.replace(/\(([A-Z]\d+(?:, [A-Z]\d+)*)\)/g, "($1 in docs/semantics.md)"),
  );
  writeFileSync(path, said);
}
