/**
 * The rules of the house, held by the package itself.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { SourceMap, type SourceMapPayload } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";
import { beforeAll, describe, expect, it } from "vitest";
import { build } from "./support/child.ts";

const root = new URL("..", import.meta.url).pathname;
const src = join(root, "src");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  version: string;
  license: string;
  dependencies?: unknown;
  author: string;
  main: string;
  types: string;
  typesVersions: unknown;
  exports: Record<string, { types: string; default: string } | string>;
};
const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
const textOf = (file: string): string => readFileSync(join(src, file), "utf8");

beforeAll(build);

/** The imports of a file, those of types too, as paths in src. */
function importsOf(file: string): string[] {
  const statements = textOf(file).matchAll(/^(?:import|export)\s[^;]*?from\s+"([^"]+)";/gms);
  return [...statements].map(([, path]) =>
    path!.startsWith(".") ? relative(src, resolve(src, dirname(file), path!)) : path!,
  );
}

/**
 * The floors, from the ground up. What is in one line shares a floor. A folder is one place, whose files may import each other; a file of
 * it that is named by itself is a place of its own.
 */
const floors: readonly (readonly string[])[] = [
  ["internal/"],
  ["context/errors.ts"],
  ["types.ts"],
  ["internal/foreigncontext.ts"],
  ["internal/suspend.ts"],
  ["chan/"],
  ["context/"],
  ["internal/checkpoint.ts", "internal/notify.ts"],
  ["chan/sendall.ts", "time.ts", "errgroup.ts", "semaphore.ts", "singleflight.ts", "sync/"],
  ["chan/index.ts", "retry.ts"],
  ["index.ts", "signal.ts"],
  ["saga/", "worker/", "testing/", "debug/", "eslint/"],
  ["otel/"],
];
const isAt = (file: string, place: string): boolean => (place.endsWith("/") ? file.startsWith(place) : file === place);
const placeOf = (file: string): string | undefined => {
  const places = floors.flat().filter((place) => isAt(file, place));
  return places.find((place) => place === file) ?? places[0];
};
const floorOf = (file: string): number => floors.findIndex((floor) => floor.includes(placeOf(file) ?? ""));

describe("the architecture", () => {
  it("gives every file a floor", () => {
    expect(files.filter((file) => floorOf(file) < 0)).toEqual([]);
  });

  it("imports only what is on a lower floor, or in the same folder", () => {
    const upward = files.flatMap((file) =>
      importsOf(file)
        .filter((to) => placeOf(to) !== placeOf(file) && !(floorOf(to) >= 0 && floorOf(to) < floorOf(file)))
        .map((to) => `${file} → ${to}`),
    );
    expect(upward).toEqual([]);
  });

  it("has no cycles", () => {
    const path: string[] = [];
    const done = new Set<string>();
    const visit = (file: string): void => {
      if (path.includes(file)) throw new Error([...path.slice(path.indexOf(file)), file].join(" → "));
      if (done.has(file)) return;
      path.push(file);
      for (const to of importsOf(file)) visit(to);
      done.add(path.pop()!);
    };
    for (const file of files) expect(() => visit(file)).not.toThrow();
  });

  it("builds the worker and the saga from the public primitives, and these files of internal/, alone", () => {
    const mayBeUsed = [
      "index.ts",
      ...["args", "checkpoint", "errors", "foreign", "inspect", "notify", "observe", "policy", "random", "runtime"].map(
        (name) => `internal/${name}.ts`,
      ),
    ];
    const outside = files
      .filter((file) => /^(worker|saga)\//.test(file))
      .flatMap((file) => importsOf(file).filter((to) => !mayBeUsed.includes(to) && placeOf(to) !== placeOf(file)));
    expect(outside).toEqual([]);
  });

  it("names the platform's timers, clocks and chance in runtime.ts, timerwheel.ts, both platform.ts, and in the test kit, alone", () => {
    const platform =
      /\b(setTimeout|clearTimeout|setInterval|setImmediate|queueMicrotask|performance\.|Math\.random|Date\.now|new Date\(\))/;
    const code = (file: string): string => textOf(file).replace(/\/\*[^]*?\*\/|\/\/.*/g, "");
    const mayDoSo = (file: string): boolean =>
      /^(internal\/(runtime|platform|timerwheel)|debug\/platform)\.ts$|^testing\//.test(file);
    expect(files.filter((file) => !mayDoSo(file) && platform.test(code(file)))).toEqual([]);
  });

  it("names process in signals.ts, in abort.ts, which asks it for a listener, in the debugger and in the test kit, alone", () => {
    const code = (file: string): string => textOf(file).replace(/\/\*[^]*?\*\/|\/\/.*|`[^`]*`/g, "");
    // OpenTelemetry has an operation of this name.
    const mayDoSo = (file: string): boolean =>
      /^(internal\/(signals|abort)|otel\/instrument)\.ts$|^(testing|debug)\//.test(file);
    expect(files.filter((file) => !mayDoSo(file) && /\bprocess\b/.test(code(file)))).toEqual([]);
  });

  it("has no `let` of a module in what every operation passes through: V8 checks each access to it", () => {
    const isCore = (file: string): boolean => !/^(worker|saga|testing|debug|eslint|otel)\//.test(file);
    expect(files.filter((file) => isCore(file) && /^(export )?let\b/m.test(textOf(file)))).toEqual([]);
  });

  it("has no file of more than 400 lines of code", () => {
    const isCode = (line: string): boolean => !/^\s*(\/\/|\*|\/\*|$)/.test(line);
    expect(files.filter((file) => textOf(file).split("\n").filter(isCode).length > 400)).toEqual([]);
  });

  it("has one default export, by which ESLint and oxlint take a plugin", () => {
    expect(files.filter((file) => /^export default\b/m.test(textOf(file)))).toEqual(["eslint/index.ts"]);
  });

  it("keeps the plugin for linters apart: it imports nothing from outside its folder", () => {
    const outside = files.filter((file) => isAt(file, "eslint/")).flatMap((file) => importsOf(file));
    expect(outside.length).toBeGreaterThan(10);
    expect(outside.filter((to) => !isAt(to, "eslint/"))).toEqual([]);
  });
});

describe("the package", () => {
  it("has no dependencies", () => {
    expect(manifest.dependencies).toBeUndefined();
  });

  it("exports these names and no others", async () => {
    const names: Record<string, readonly string[]> = {};
    for (const [path, target] of Object.entries(manifest.exports)) {
      if (typeof target === "string") continue;
      const module = (await import(join(root, target.default))) as Record<string, unknown>;
      names[path] = Object.keys(module).sort();
    }
    expect(names).toMatchSnapshot();
  });

  it("has no name that everything.mjs does not use, in each of the runtimes", async () => {
    const { uses } = (await import(join(root, "test/runtimes/everything.mjs"))) as {
      uses: Record<string, Record<string, () => Promise<unknown>>>;
    };
    const missing: string[] = [];
    for (const [path, target] of Object.entries(manifest.exports)) {
      if (typeof target === "string") continue;
      const entry = `headgate${path.slice(1)}`;
      const [, broker] = /^headgate\/worker\/(?!conformance|metrics)(\w+)$/.exec(entry) ?? [];
      const module = (await import(join(root, target.default))) as Record<string, unknown>;
      for (const [name, value] of Object.entries(module)) {
        // A namespace of the index is a subpath, too.
        const isNamespace = (value as Record<symbol, unknown> | null)?.[Symbol.toStringTag] === "Module";
        const at = entry === "headgate/chan" ? "headgate" : broker === undefined ? entry : "headgate/worker/…";
        const use = uses[at]?.[broker === undefined ? name : `${broker}: ${name}`];
        if (!isNamespace && !new RegExp(`\\b${name}\\b`).test(String(use).replace(/^.*\{/, "")))
          missing.push(`${entry} ${name}`);
        if (isNamespace && uses["subpaths"]?.[`headgate/${name}`] === undefined) missing.push(`headgate/${name}`);
      }
    }
    expect(missing).toEqual([]);
  });

  it("can be imported by every path it exports, types included", () => {
    for (const target of Object.values(manifest.exports)) {
      const paths = typeof target === "string" ? [target] : Object.values(target);
      for (const path of paths) expect(existsSync(join(root, path)), path).toBe(true);
    }
  });

  it("has no effect when it is imported: a bundle that uses nothing is empty", async () => {
    for (const [path, target] of Object.entries(manifest.exports)) {
      // The test kit keeps the platform's own timers when it is imported, before anybody fakes them.
      if (typeof target === "string" || path === "./testing") continue;
      expect((await bundle(`import ${JSON.stringify(join(root, target.default))};`)).slice(0, 80), path).toBe("");
    }
  });

  it("asks for no `this` at the top of a module, of which rollup warns its users", () => {
    const built = readdirSync(join(root, "dist"), { recursive: true, encoding: "utf8" });
    const scripts = built.filter((file) => file.endsWith(".js"));
    expect(scripts.filter((file) => readFileSync(join(root, "dist", file), "utf8").includes("(this && "))).toEqual([]);
  });

  it("says the same of its subpaths where exports are not read", () => {
    const paths = Object.entries(manifest.exports).flatMap(([path, target]) =>
      typeof target === "string" || path === "." ? [] : [[path.slice(2), [target.types]] as const],
    );
    expect(manifest.typesVersions).toEqual({ "*": Object.fromEntries(paths) });
    expect(manifest.exports["."]).toEqual({ types: manifest.types, default: manifest.main });
  });

  it("is the same on JSR: its version, and the sources of its subpaths", () => {
    const jsr = JSON.parse(readFileSync(join(root, "jsr.json"), "utf8")) as Record<string, unknown>;
    const sources = Object.entries(manifest.exports).flatMap(([path, target]) =>
      typeof target === "string"
        ? []
        : [[path, target.default.replace("./dist/", "./src/").replace(/\.js$/, ".ts")] as const],
    );
    expect(jsr).toMatchObject({ version: manifest.version, license: manifest.license });
    expect(jsr["exports"]).toEqual(Object.fromEntries(sources));
  });

  it("names no address: the release sets them, from where it runs", () => {
    for (const field of ["repository", "homepage", "bugs"]) expect(manifest).not.toHaveProperty(field);
    expect(manifest.author).toBe("headgate contributors");
  });
});

describe("the build", () => {
  const dist = join(root, "dist");
  const scripts = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".js"));

  it("leads from each function and class to its line in the sources", () => {
    let found = 0;
    for (const file of scripts.filter((file) => existsSync(join(dist, `${file}.map`)))) {
      const map = new SourceMap(JSON.parse(readFileSync(join(dist, `${file}.map`), "utf8")) as SourceMapPayload);
      for (const [i, line] of readFileSync(join(dist, file), "utf8").split("\n").entries()) {
        const [head, name] = /^(?:async )?(?:function|class) (\w+?)(?:\$\d+)?\b/.exec(line) ?? [];
        if (head === undefined || file === "using.js") continue;
        found++;
        const at = map.findEntry(i, head.length - 1);
        if (!("originalSource" in at)) throw new Error(`${file}: ${line}`);
        const source = readFileSync(resolve(dist, dirname(file), at.originalSource), "utf8");
        expect(source.split("\n")[at.originalLine], `${file}: ${line}`).toContain(name);
      }
    }
    expect(found).toBeGreaterThan(200);
  });

  it("has one file for what the compiler needs to lower using, and asks nowhere for `this` outside a function", () => {
    const withHelpers = scripts.filter((file) => /(?:var|function) __\w+/.test(readFileSync(join(dist, file), "utf8")));
    expect(withHelpers).toEqual(["using.js"]);
  });

  it("declares what never changes as const, on which V8 relies", () => {
    const core = readFileSync(join(dist, "core.js"), "utf8");
    const names = [...core.matchAll(/^var ([\w$]+)/gm)].map(([, name]) => name!);
    expect(names.length).toBeGreaterThan(10);
    const isSet = (name: string): boolean =>
      new RegExp(`(?<!var |[.\\w$])${name.replace("$", "\\$")} *([-+]?=(?!=)|\\?\\?=)|[-+]{2}${name}\\b`).test(core);
    expect(names.filter((name) => !isSet(name))).toEqual([]);
  });
});

describe("the pages", () => {
  /** What is in the archive. */
  const packed: readonly string[] = (
    JSON.parse(
      execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: root, encoding: "utf8" }),
    ) as [{ files: { path: string }[] }]
  )[0].files.map(({ path }) => path);
  const pages = packed.filter((path) => path.endsWith(".md"));

  /** The anchors of a page, as they are made of its headings. */
  const anchorsOf = (page: string): string[] =>
    [...readFileSync(join(root, page), "utf8").matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
      title!
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    );

  /** Why a link of a page leads nowhere, if that is so. */
  function faultOf(page: string, link: string): string | undefined {
    const [, path, anchor] = /^([^#]*)#?(.*)$/.exec(link)!;
    const target = path === "" ? page : join(dirname(page), path!);
    if (target.endsWith(".md") && !packed.includes(target)) return "not in the package";
    if (!existsSync(join(root, target))) return "not in the repository";
    return anchor === "" || anchorsOf(target).includes(anchor!) ? undefined : "no such heading";
  }

  it("are in the package: the README, the changelog, and all of the docs", () => {
    for (const page of ["README.md", "CHANGELOG.md", "docs/semantics.md", "docs/worker.md"])
      expect(pages).toContain(page);
    expect(packed.filter((path) => /^(test|bench)\//.test(path))).toEqual([]);
    // The programs and pictures of the docs are in the repository.
    expect(packed.filter((path) => path.startsWith("docs/") && !path.endsWith(".md"))).toEqual([]);
    expect(packed.filter((path) => /^docs\/site\/|\bnode_modules\b/.test(path))).toEqual([]);
  });

  it("lead to what is there: other pages in the package, programs and pictures in the repository", () => {
    const links = pages.flatMap((page) =>
      [
        ...readFileSync(join(root, page), "utf8")
          .replace(/^```[^]*?^```$/gm, "")
          .matchAll(/\]\((?!https?:)([^)\s]+)\)/g),
      ].map(([, link]) => [page, link!] as const),
    );
    expect(links.length).toBeGreaterThan(30);
    const lost = links.map(([page, link]) => [page, link, faultOf(page, link)]).filter(([, , fault]) => fault);
    expect(lost).toEqual([]);
  });

  it("are named by comments of the sources and of the declarations only if they are there", () => {
    const sources = packed.filter((path) => /^src\/.*\.ts$|\.d\.ts$/.test(path));
    const named = sources.flatMap((path) => readFileSync(join(root, path), "utf8").match(/\bdocs\/[\w./-]*\w/g) ?? []);
    expect(named.length).toBeGreaterThan(50);
    expect([...new Set(named)].filter((path) => !packed.includes(path))).toEqual([]);
  });

  it("are named wherever a comment that an editor shows cites a number of one", () => {
    const declarations = packed.filter((path) => path.endsWith(".d.ts"));
    const cited = declarations.flatMap((path) =>
      (readFileSync(join(root, path), "utf8").match(/\/\*\*[^]*?\*\//g) ?? []).flatMap((comment) =>
        [...comment.matchAll(/\(([^()]*\b[CEFGHMNSTWY]\d+\b[^()]*)\)/g)].map(([, text]) => `${path}: ${text!}`),
      ),
    );
    expect(cited.length).toBeGreaterThan(50);
    expect(cited.filter((text) => !text.endsWith(" in docs/semantics.md"))).toEqual([]);
  });
});

/** Bundles and minifies a program as its author would. */
async function bundle(program: string): Promise<string> {
  const { outputFiles } = await esbuild.build({
    stdin: { contents: program, resolveDir: root },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    // As if nothing were known of the package: what is dropped must be free of effects on its own showing.
    plugins: [
      {
        name: "no promises",
        setup: (build) => {
          build.onResolve({ filter: /^[./]/ }, ({ path, resolveDir }) => {
            return { path: resolve(resolveDir, path), sideEffects: true };
          });
        },
      },
    ],
  });
  return outputFiles[0]!.text.trim();
}

describe("the size of what is imported", () => {
  const entry = JSON.stringify(join(root, "dist/index.js"));

  it("channels alone bring neither context nor errgroup", async () => {
    const text = await bundle(`import { Chan } from ${entry}; console.log(new Chan());`);
    for (const foreign of ["context canceled", "WithCancel", "errgroup"]) expect(text).not.toContain(foreign);
  });

  const sizeOf = async (program: string): Promise<number> => gzipSync(await bundle(program), { level: 9 }).length;

  // Bytes, minified and gzipped; with room for a few more, so that growth is a decision.
  for (const [what, program, budget] of [
    ["Chan", `import { Chan } from ${entry}; console.log(Chan);`, 5_100],
    [
      "Chan, select and context",
      `import { Chan, select, context } from ${entry}; console.log(Chan, select, context);`,
      12_300,
    ],
    ["everything of headgate", `import * as all from ${entry}; console.log(all);`, 17_550],
  ] as const) {
    it(`${what} is at most ${budget} bytes`, async () => {
      const size = await sizeOf(program);
      expect(size).toBeLessThanOrEqual(budget);
      expect(size).toBeGreaterThan(budget * 0.8);
    });
  }

  const page = (file: string): string => readFileSync(join(root, file), "utf8");
  /** What docs/start.md says: the names that are imported, from where, and the kB. */
  const said = [
    ...page("docs/start.md").matchAll(
      /^\| (?:`\{ (.*) \}`|all)(?: of `(headgate.*?)`)?(?:, with .*)? \| ([\d.]+) \|$/gm,
    ),
  ].map(([, names, from = "headgate", kB]) => ({ names, from, kB: Number(kB) }));

  it.each(said)("of $names from $from is what docs/start.md says: $kB kB", async ({ names, from, kB }) => {
    const target = manifest.exports[`.${from.slice("headgate".length)}`];
    const path = JSON.stringify(join(root, (target as { default: string }).default));
    const program =
      names === undefined
        ? `import * as all from ${path}; console.log(all);`
        : `import { ${names} } from ${path}; console.log(${names});`;
    const size = (await sizeOf(program)) / 1_000;
    expect(kB, `it is ${size.toFixed(1)} kB`).toBeGreaterThan(size * 0.92);
    expect(kB, `it is ${size.toFixed(1)} kB`).toBeLessThan(size * 1.08);
  });

  it("is the same in the README as in docs/start.md, which has seven", () => {
    expect(said.length).toBe(7);
    const kB = (names: string): string =>
      said.find((row) => row.names === names && row.from === "headgate")!.kB.toFixed(1);
    const all = said.find(({ names, from }) => names === undefined && from === "headgate")!.kB.toFixed(1);
    expect(page("README.md")).toContain(
      `\`Chan\` ${kB("Chan")} kB; \`Chan\`, \`select\` and \`context\` ${kB("Chan, select, context")} kB; all of \`headgate\` ${all} kB.`,
    );
  });
});
