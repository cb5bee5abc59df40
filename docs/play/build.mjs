/**
 * Builds the page "Stop it anywhere": one HTML file, `.build/play/index.html`, which needs no server and no network.
 *
 *     npm run play                  builds it, prints its path, and opens it
 *     npm run play -- --no-open     builds it and prints its path
 *     npm run play -- --watch       builds it again after every change
 *
 * The scripts are inlined, because a browser loads no module from `file://`. They are packed, which halves the file: a browser unpacks
 * them in some milliseconds. With `--watch` they are not, so that an author can read a stack. The text for readers without JavaScript is
 * recorded here, by the same scenarios in Node.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, watch, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { deflateRawSync } from "node:zlib";
import { instrumented, isCatalogue, listingsOf } from "./listings.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const folder = join(root, ".build/play");
const page = join(folder, "index.html");

// ------------------------------------------------------------------------------------------------------------ what is bundled

/** Resolves `headgate` and its parts to the sources, and `node:assert` to a file that a browser can run. */
export const sources = {
  name: "sources",
  setup(build) {
    build.onResolve({ filter: /^headgate(\/|$)/ }, ({ path }) => {
      const part = path.replace(/^headgate\/?/, "");
      const candidates = part === "" ? ["index.ts"] : [`${part}/index.ts`, `${part}.ts`];
      const file = candidates.map((name) => join(root, "src", name)).find((name) => existsSync(name));
      return file === undefined ? { errors: [{ text: `there is no ${path}` }] } : { path: file, sideEffects: false };
    });
    build.onResolve({ filter: /^node:assert$/ }, () => ({ path: join(here, "src/assert.ts") }));
    // `import text from "text:./file.ts"` is the file as text.
    build.onResolve({ filter: /^text:/ }, ({ path, resolveDir }) => ({
      path: join(resolveDir, path.replace(/^text:/, "")),
      namespace: "text",
    }));
    build.onLoad({ filter: /./, namespace: "text" }, ({ path }) => ({
      contents: readFileSync(path, "utf8"),
      loader: "text",
      watchFiles: [path],
    }));
    // The code of the bugs, as view 4 shows it.
    build.onResolve({ filter: /^listings:$/ }, ({ path }) => ({ path, namespace: "listings" }));
    build.onLoad({ filter: /./, namespace: "listings" }, () => ({
      contents: `export default ${JSON.stringify(listingsOf(join(root, "test/testing/bugs")))};`,
    }));
  },
};

/**
 * Keeps the names of functions where tasks are named after them; elsewhere they would only cost bytes. And lets the bugs say which line
 * they have reached.
 */
const named = {
  name: "named",
  setup(build) {
    const filter =
      /[\\/](docs[\\/]learn|testing[\\/]bugs|src[\\/]worker|src[\\/]saga|play[\\/]src[\\/]channels)[\\/].*\.ts$|[\\/]src[\\/]time\.ts$/;
    build.onLoad({ filter, namespace: "file" }, async ({ path }) => {
      const { transform } = await import("esbuild");
      const source = readFileSync(path, "utf8");
      const reached = join(here, "src/schedule/reached.ts");
      const { code } = await transform(isCatalogue(path) ? instrumented(source, reached) : source, {
        loader: "ts",
        keepNames: true,
        target: "es2022",
        sourcefile: path,
      });
      return { contents: code, loader: "js" };
    });
  },
};

/** Leaves out what a trace can do and the page never asks for: its forms as a file. A class keeps all its methods, so no bundler can. */
const unused = {
  name: "unused",
  setup(build) {
    const filter = /[\\/]src[\\/]testing[\\/](chrometrace|picture)\.ts$/;
    build.onLoad({ filter }, ({ path }) => {
      const names = [...readFileSync(path, "utf8").matchAll(/^export function (\w+)/gm)].map(([, name]) => name);
      const contents = names.map(
        (name) => `export function ${name}() { throw new Error("${name}: not on this page"); }`,
      );
      return { contents: contents.join("\n"), loader: "js" };
    });
  },
};

async function bundled(options) {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    jsxImportSource: "preact",
    plugins: [unused, sources, named],
    logLevel: "warning",
    ...options,
  });
  return outputFiles[0].text;
}

/** Bundles a module of the page for Node; returns its path. */
export async function forNode(file, options = {}) {
  const text = await bundled({ entryPoints: [join(here, file)], platform: "neutral", ...options });
  mkdirSync(folder, { recursive: true });
  const out = join(folder, `${file.replace(/\W+/g, "-")}.mjs`);
  writeFileSync(out, text);
  return out;
}

/** Bundles a module of the page for Node, and imports it. */
export async function imported(file, options = {}) {
  return import(`${pathToFileURL(await forNode(file, options)).href}?${Date.now()}`);
}

// ------------------------------------------------------------------------------------------------------------ the page

/** A script that unpacks this one, and runs it. The page's policy allows no `eval` and no other source, but a script in the page. */
const packed = (script) => `
const text = atob("${deflateRawSync(script, { level: 9 }).toString("base64")}");
const bytes = new Uint8Array(text.length);
for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
const { readable, writable } = new DecompressionStream("deflate-raw");
const writer = writable.getWriter();
writer.write(bytes);
writer.close();
const script = document.createElement("script");
script.type = "module";
script.textContent = await new Response(readable).text();
document.body.append(script);
`;

/** Builds the page; returns its path and its text. */
export async function build({ isPacked = true } = {}) {
  const { timelines } = await imported("src/timelines.ts");
  const [script, style] = await Promise.all([
    bundled({
      entryPoints: [join(here, "src/main.tsx")],
      platform: "browser",
      minify: true,
      legalComments: "none",
    }),
    bundled({ entryPoints: [join(here, "style/page.css")], minify: true }),
  ]);
  const inlined = isPacked ? packed(script) : script.replaceAll("</script", "<\\/script");
  const parts = { style, script: inlined, timelines: await timelines() };
  const html = readFileSync(join(here, "page.html"), "utf8").replace(
    /<!-- (\w+) -->/g,
    (all, name) => parts[name] ?? all,
  );
  mkdirSync(folder, { recursive: true });
  writeFileSync(page, html);
  return { page, html };
}

/** Opens the page, if there is a program that does. */
function open() {
  const [command, ...args] = { darwin: ["open"], win32: ["cmd", "/c", "start", ""] }[process.platform] ?? ["xdg-open"];
  const child = spawn(command, [...args, page], { stdio: "ignore", detached: true });
  child.on("error", () => process.stdout.write("open it in a browser\n"));
  child.unref();
}

/** Installs what the page is built of, the first time. */
function install() {
  try {
    createRequire(import.meta.url).resolve("preact");
  } catch {
    process.stderr.write("installing preact for the page: npm ci --prefix docs/play\n");
    const { status } = spawnSync("npm", ["ci", "--prefix", here, "--ignore-scripts", "--no-audit", "--no-fund"], {
      stdio: ["ignore", 2, 2],
      shell: process.platform === "win32",
    });
    if (status !== 0) process.exit(status ?? 1);
  }
}

/** Builds again after every change, one build at a time. */
function rebuild() {
  let timer;
  let under = Promise.resolve();
  const again = () => {
    under = under
      .then(() => build({ isPacked: false }))
      .then(
        () => process.stdout.write(`built again at ${new Date().toLocaleTimeString()}\n`),
        (error) => process.stderr.write(`${error.message}\n`),
      );
  };
  for (const path of [here, join(root, "src"), join(root, "docs/learn"), join(root, "test/testing/bugs")]) {
    if (!existsSync(path)) continue;
    watch(path, { recursive: true }, (_event, name) => {
      if (name?.includes("node_modules")) return;
      clearTimeout(timer);
      timer = setTimeout(again, 100);
    });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const flags = process.argv.slice(2);
  const unknown = flags.find((flag) => flag !== "--watch" && flag !== "--no-open");
  if (unknown !== undefined) {
    process.stderr.write(`there is no option ${unknown}; there are --watch and --no-open\n`);
    process.exit(2);
  }
  install();
  await build({ isPacked: !flags.includes("--watch") });
  process.stdout.write(`${page}\n`);
  if (!flags.includes("--no-open")) open();
  if (flags.includes("--watch")) rebuild();
}
