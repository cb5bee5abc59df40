/**
 * Bundles headgate, as packed, by the bundlers that people use, and runs what comes out: `node test/bundlers/run.mjs [NAME…]`.
 *
 * Each bundles `everything.mjs`, which must give its answers in Node, and small programs, of which the size is told: minified, and then
 * gzipped. The bundlers are installed by `npm ci --prefix test/bundlers`; headgate must have been built. The last lines are the rows of a
 * table, and `.build/matrix/bundlers.json` has them for the docs' (`test/matrix.mjs`).
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";
import { gzipSync } from "node:zlib";
import { installed, installIn } from "../support/packed.mjs";
import { ran, report } from "../support/rows.mjs";

const here = import.meta.dirname;
const modules = join(here, "node_modules");
const work = join(here, "..", "..", ".build", "bundlers");
const versionOf = (name) => JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8")).version;

/** What is bundled: programs by name. */
const PROGRAMS = {
  context: 'import { context } from "headgate";\nconsole.log(String(context.background()));\n',
  subpath: 'import { background } from "headgate/context";\nconsole.log(String(background()));\n',
  Chan: 'import { Chan } from "headgate";\nconsole.log(new Chan(7).capacity);\n',
  everything: 'import { everything } from "./everything.mjs";\nconsole.log(JSON.stringify(await everything()));\n',
};
const PRINTS = { context: "context.Background", subpath: "context.Background", Chan: "7" };

/** What Parcel makes of a module: a module, for browsers of today. */
const APP = {
  targets: { app: { context: "browser", outputFormat: "esmodule", engines: { browsers: "last 1 Chrome version" } } },
};

/** The bundlers: each puts `<program>.mjs` of a folder into one file, as its author would, and returns the path. */
const bundlers = [
  {
    name: "esbuild",
    async bundle(folder, program) {
      const { build } = await import("esbuild");
      const outfile = join(folder, "out", `${program}.mjs`);
      const entryPoints = [join(folder, `${program}.mjs`)];
      await build({
        entryPoints,
        outfile,
        bundle: true,
        minify: true,
        format: "esm",
        target: "es2022",
        logLevel: "silent",
      });
      return outfile;
    },
  },
  {
    name: "rollup",
    async bundle(folder, program) {
      const [{ rollup }, { nodeResolve }] = await Promise.all([
        import("rollup"),
        import("@rollup/plugin-node-resolve"),
      ]);
      const bundle = await rollup({ input: join(folder, `${program}.mjs`), plugins: [nodeResolve()] });
      const { output } = await bundle.generate({ format: "es" });
      const { transform } = await import("esbuild");
      const { code } = await transform(output[0].code, { minify: true, format: "esm", target: "es2022" });
      return written(join(folder, "out", `${program}.mjs`), code);
    },
  },
  {
    name: "Vite",
    package: "vite",
    async bundle(folder, program) {
      const { build } = await import("vite");
      await build({
        root: folder,
        configFile: false,
        logLevel: "silent",
        build: {
          outDir: join(folder, "out", program),
          target: "es2022",
          minify: true,
          modulePreload: false,
          rolldownOptions: { input: join(folder, `${program}.mjs`), output: { entryFileNames: "main.mjs" } },
        },
      });
      return join(folder, "out", program, "main.mjs");
    },
  },
  {
    name: "webpack",
    async bundle(folder, program) {
      const { default: webpack } = await import("webpack");
      const compiler = webpack({
        mode: "production",
        context: folder,
        entry: `./${program}.mjs`,
        target: ["web", "es2022"],
        experiments: { outputModule: true },
        output: { path: join(folder, "out"), filename: `${program}.mjs`, module: true },
        performance: false,
      });
      await new Promise((resolve, reject) => {
        compiler.run((error, stats) => {
          const fault = error ?? (stats.hasErrors() ? new Error(stats.toString("errors-only")) : undefined);
          compiler.close(() => (fault === undefined ? resolve() : reject(fault)));
        });
      });
      return join(folder, "out", `${program}.mjs`);
    },
  },
  // As it comes it reads main, and no exports: so it finds headgate, and of its subpaths nothing.
  {
    name: "Parcel",
    package: "parcel",
    manifest: APP,
    programs: ["context", "Chan"],
    bundle: parcel,
  },
  {
    name: "Parcel, packageExports",
    package: "parcel",
    manifest: { ...APP, "@parcel/resolver-default": { packageExports: true } },
    bundle: parcel,
  },
];

/** By its command line, for in one process it does not tell one project from another. */
async function parcel(folder, program, run) {
  // It takes the folder of the nearest lock file for the root of the project.
  writeFileSync(join(folder, "package-lock.json"), "{}");
  const { resolve } = createRequire(import.meta.url);
  const flags = ["--no-cache", "--no-source-maps", "--dist-dir", "out", "--config", resolve("@parcel/config-default")];
  const { out, failed } = await run(
    process.execPath,
    [resolve("parcel/lib/bin.js"), "build", `${program}.mjs`, ...flags],
    { cwd: folder },
  );
  if (failed !== undefined) throw new Error(`${failed}\n${out}`);
  return join(folder, "out", `${program}.js`);
}

function written(path, code) {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, code);
  return path;
}

/** What is wrong with what a bundle prints. */
function faultOf(program, { out, failed }) {
  if (failed !== undefined) return `${failed}\n${out}`;
  const last = out.trim().split("\n").at(-1);
  if (program !== "everything") return last === PRINTS[program] ? undefined : `printed ${last}`;
  const wrong = Object.entries(JSON.parse(last)).filter(([, answer]) => answer !== "ok");
  return wrong.length === 0 ? undefined : wrong.map(([name, answer]) => `${name} ${answer}`).join("\n");
}

const kB = (bytes) => (bytes / 1_000).toFixed(1);

async function rowOf(bundler, run) {
  const folder = join(work, bundler.name.replace(/\W+/g, "-"));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const manifest = { name: "bundled", private: true, type: "module", ...bundler.manifest };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  installIn(folder, "headgate", user);
  copyFileSync(join(here, "..", "runtimes", "everything.mjs"), join(folder, "everything.mjs"));
  const [faults, sizes] = [[], {}];
  const programs = bundler.programs ?? Object.keys(PROGRAMS);
  for (const program of programs) {
    const source = program === "everything" ? "main-everything" : program;
    writeFileSync(join(folder, `${source}.mjs`), PROGRAMS[program]);
    const path = await bundler.bundle(folder, source, run);
    const fault = faultOf(program, await run(process.execPath, [path], { cwd: folder }));
    if (fault !== undefined) faults.push(`${program}: ${fault}`);
    sizes[program] = gzipSync(readFileSync(path), { level: 9 }).length;
  }
  const says = ["context", "subpath", "Chan"]
    .filter((program) => programs.includes(program))
    .map((program) => `${program} ${kB(sizes[program])} kB`);
  const { name } = bundler;
  return { name, version: versionOf(bundler.package ?? name), faults, sizes, says: `ok; ${says.join(", ")}` };
}

let user;
if (!existsSync(modules)) {
  report(
    "bundlers",
    [],
    ["all bundlers: not installed; npm ci --prefix test/bundlers does so, if it can reach the registry"],
  );
} else {
  user = installed();
  const wanted = process.argv.slice(2).map((name) => name.toLowerCase());
  const some = bundlers.filter(
    ({ name }) => wanted.length === 0 || wanted.some((part) => name.toLowerCase().includes(part)),
  );
  report("bundlers", await ran(some, rowOf), []);
}
