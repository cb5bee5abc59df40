/**
 * Compiles programs against the declarations of headgate, as packed, by the compilers that people use, in each way to resolve modules, and
 * lints one: `node test/compilers/run.mjs [NAME…]`.
 *
 * The compilers are installed by `npm ci --prefix test/compilers`; headgate must have been built. The last lines are the rows of a table,
 * and `.build/matrix/compilers.json` has them for the docs' (`test/matrix.mjs`).
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { installed, installIn } from "../support/packed.mjs";
import { ran, report } from "../support/rows.mjs";

const here = import.meta.dirname;
const modules = join(here, "node_modules");
const work = join(here, "..", "..", ".build", "compilers");
const versionOf = (name) => JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8")).version;

/** The ways to resolve modules. */
const RESOLUTIONS = {
  nodenext: { module: "nodenext" },
  node16: { module: "node16" },
  bundler: { module: "esnext", moduleResolution: "bundler" },
  node10: { module: "esnext", moduleResolution: "node10" },
};

/** What the compiler knows of the platform. */
const PLATFORMS = {
  DOM: { lib: ["es2022", "esnext.disposable", "dom"], types: [] },
  "@types/node": { lib: ["es2022", "esnext.disposable"], types: ["node"] },
  neither: { lib: ["es2022", "esnext.disposable"], types: [] },
};

const compilers = [
  { name: "TypeScript 5.4", package: "typescript-5.4", requires: false },
  { name: "TypeScript 5.9", package: "typescript-5.9", requires: true },
  { name: "TypeScript 6", package: "typescript-6", requires: true, options: { ignoreDeprecations: "6.0" } },
  { name: "TypeScript 7", package: "typescript-7", requires: true, without: ["node10"] },
];

/** A folder of its own, with the package in it and the types of Node. */
function folderOf(name, files) {
  const folder = join(work, name.replace(/\W+/g, "-"));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "name": "compiled", "private": true, "type": "module" }\n');
  installIn(folder, "headgate", user);
  for (const name of ["@types", "undici-types"]) {
    const from = join(modules, name);
    if (existsSync(from)) symlinkSync(from, join(folder, "node_modules", name));
  }
  for (const file of files) copyFileSync(join(here, file), join(folder, file));
  return folder;
}

const STRICT = { target: "es2022", strict: true, skipLibCheck: false, skipDefaultLibCheck: true, noEmit: true };

async function compiled(compiler, run) {
  const { name, requires, without = [], options = {} } = compiler;
  const folder = folderOf(name, ["consumer.ts", "withsignal.ts", "commonjs.cts"]);
  const tsc = join(modules, compiler.package, "bin", "tsc");
  const compile = (compilerOptions, ...files) => {
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
    return run(process.execPath, [tsc, "-p", folder], { cwd: folder });
  };
  const [faults, ways] = [[], []];
  for (const [way, resolution] of Object.entries(RESOLUTIONS)) {
    if (without.includes(way)) continue;
    ways.push(way);
    for (const [platform, known] of Object.entries(PLATFORMS)) {
      // In one way to resolve it is enough to try all that can be known.
      if (way !== "nodenext" && platform !== "DOM") continue;
      const files = platform === "neither" ? ["consumer.ts"] : ["consumer.ts", "withsignal.ts"];
      const { out, failed } = await compile({ ...STRICT, ...options, ...resolution, ...known }, ...files);
      if (failed !== undefined) faults.push(`${way}, ${platform}: ${failed}\n${out}`);
    }
  }
  const emit = { ...STRICT, ...options, module: "nodenext", ...PLATFORMS.DOM, noEmit: false, outDir: "out" };
  const { out, failed } = await compile(emit, "commonjs.cts");
  if (!requires) {
    if (!out.includes("TS1479"))
      faults.push(`a CommonJS file must be refused, as there was no require() of modules:\n${out}`);
  } else if (failed !== undefined) {
    faults.push(`a CommonJS file: ${failed}\n${out}`);
  } else {
    const printed = await run(process.execPath, ["--no-warnings", join(folder, "out", "commonjs.cjs")]);
    if (printed.out.trim() !== "by require") faults.push(`a CommonJS file printed ${printed.out}`);
  }
  const says = `ok; ${ways.join(", ")}${requires ? "; a CommonJS file" : ""}`;
  return { name, version: versionOf(compiler.package), faults, ways, requires, says };
}

async function linted({ name }, run) {
  const folder = folderOf(name, ["linted.ts", "eslint.config.js"]);
  for (const name of ["typescript", "typescript-eslint", "eslint-plugin-import", "eslint-import-resolver-typescript"])
    symlinkSync(join(modules, name), join(folder, "node_modules", name));
  const compilerOptions = { ...STRICT, module: "nodenext", ...PLATFORMS.DOM };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["linted.ts"] }));
  const eslint = join(modules, "eslint", "bin", "eslint.js");
  const faults = [];
  const { out, failed } = await run(process.execPath, [eslint, "--max-warnings", "0", "linted.ts"], { cwd: folder });
  if (failed !== undefined) faults.push(`${failed}\n${out}`);
  // It must be able to complain.
  writeFileSync(join(folder, "linted.ts"), 'import { x } from "headgate/none";\nexport const y: unknown = x;\n');
  const bad = await run(process.execPath, [eslint, "linted.ts"], { cwd: folder });
  if (!bad.out.includes("import/no-unresolved")) faults.push(`a subpath that there is none of is found:\n${bad.out}`);
  return { name, version: versionOf("typescript-eslint"), faults };
}

let user;
if (!existsSync(modules)) {
  report(
    "compilers",
    [],
    ["all compilers: not installed; npm ci --prefix test/compilers does so, if it can reach the registry"],
  );
} else {
  user = installed();
  const wanted = process.argv.slice(2).map((name) => name.toLowerCase());
  const all = [...compilers, { name: "typescript-eslint, import" }];
  const some = all.filter(
    ({ name }) => wanted.length === 0 || wanted.some((part) => name.toLowerCase().includes(part)),
  );
  const rows = await ran(some, (item, run) => (item.package === undefined ? linted(item, run) : compiled(item, run)));
  report("compilers", rows, []);
}
