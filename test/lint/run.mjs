/**
 * Runs the rules of headgate/eslint, as packed, in ESLint 9, ESLint 10 and oxlint: `node test/lint/run.mjs`, after
 * `npm ci --prefix test/lint` and a build.
 *
 * - Each file of cases/ says which lines are reported: `// ! RULE MESSAGE`. `// ? …` is reported only where there are types, and `// - …` only
 *   where there are none. All other lines are valid.
 * - Each rule of docs/lint.md is broken by the first program of its section, with exactly the messages that follow, and kept by the other one.
 * - The configurations that the page shows turn on what it says.
 * - The types of the plugin are those that the linters ask for.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { ESLint as ESLint10 } from "eslint";
import eslint9 from "eslint9";
import tseslint from "typescript-eslint";
import { installed } from "../support/packed.mjs";
import { run } from "../support/rows.mjs";

const here = import.meta.dirname;
const root = join(here, "..", "..");
/** Outside of the repository: oxlint passes over what git ignores. */
const work = installed();
const modules = join(here, "node_modules");

const faults = [];
const must = (isSo, what) => {
  if (!isSo) faults.push(what);
};

// ------------------------------------------------------------------------------------------------------- a project that uses it

for (const name of readdirSync(modules)) {
  if (!name.startsWith(".")) symlinkSync(join(modules, name), join(work, "node_modules", name));
}
for (const part of ["cases", "configs", "types.ts"]) cpSync(join(here, part), join(work, part), { recursive: true });
const compilerOptions = {
  target: "es2022",
  module: "nodenext",
  lib: ["es2022", "esnext.disposable", "dom"],
  types: [],
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  allowImportingTsExtensions: true,
};
writeFileSync(join(work, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["cases", "pages"] }));
writeFileSync(join(work, "types.json"), JSON.stringify({ compilerOptions, files: ["types.ts"] }));

const { default: plugin } = await import(pathToFileURL(join(work, "node_modules/headgate/dist/eslint/index.js")).href);
const names = Object.keys(plugin.rules);
const allRules = Object.fromEntries(names.map((name) => [`headgate/${name}`, "error"]));
/** The cases import headgate by a name of their own, too. */
const settings = { headgate: { modules: { "^#concurrency/sync$": "headgate/sync" } } };

// ------------------------------------------------------------------------------------------------------------------ the programs

/** The programs of the page, by rule: the broken one, the messages of its lines, and the mended one. */
const page = readFileSync(join(root, "docs", "lint.md"), "utf8");
const pages = join(work, "pages");
mkdirSync(pages);
const expectedOfPage = [];
for (const name of names) {
  const [, section = ""] = page.split(`\n## \`${name}\`\n`);
  const fences = [...section.split("\n## ")[0].matchAll(/^```(.*)\n([^]*?)^```$/gm)];
  const [[, , broken] = [], [, , said] = [], [, , mended] = []] = fences;
  if (fences.map(([, kind]) => kind).join() !== "ts no-run,text,ts") {
    faults.push(`docs/lint.md: the section ${name} must have a broken program, its messages, and a mended one`);
    continue;
  }
  writeFileSync(join(pages, `${name}.broken.ts`), broken);
  writeFileSync(join(pages, `${name}.mended.ts`), mended);
  for (const line of said.trim().split("\n")) expectedOfPage.push(`${name}.broken.ts:${line}`);
}

/** What the marks of the cases say: `FILE:LINE RULE MESSAGE`. */
function expected(hasTypes) {
  const marks = hasTypes ? "!?" : "!-";
  return readdirSync(join(here, "cases")).flatMap((file) =>
    readFileSync(join(here, "cases", file), "utf8")
      .split("\n")
      .flatMap((line, i) => {
        const [, mark, said = ""] = /\/\/ ([!?-]) ([a-z-]+ [a-z]+(?:, [a-z-]+ [a-z]+)*)$/.exec(line) ?? [];
        return mark !== undefined && marks.includes(mark)
          ? said.split(", ").map((one) => `${file}:${i + 1} ${one}`)
          : [];
      }),
  );
}

/** The id of a message of a rule. */
function idOf(rule, message) {
  const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const found = Object.entries(plugin.rules[rule].meta.messages).find(([, text]) =>
    new RegExp(
      `^${text
        .split(/\{\{\w+\}\}/)
        .map(escaped)
        .join(".+")}$`,
    ).test(message),
  );
  return found?.[0] ?? message;
}

// ------------------------------------------------------------------------------------------------------------------- the linters

/** A linter takes folders and the rules that are on, and resolves to `{ file, line, rule, message }` for each report. */
const withESLint = (ESLint, parserOptions) => async (folders, rules) => {
  const eslint = new ESLint({
    cwd: work,
    overrideConfigFile: true,
    overrideConfig: [
      { files: ["**/*.ts"], languageOptions: { parser: tseslint.parser, parserOptions } },
      { files: ["**/*.ts", "**/*.js"], plugins: { headgate: plugin }, rules, settings },
    ],
  });
  const results = await eslint.lintFiles(folders);
  return results.flatMap(({ filePath, messages }) =>
    messages.map(({ line, ruleId, message }) => ({
      file: basename(filePath),
      line,
      rule: ruleId?.replace("headgate/", ""),
      message,
    })),
  );
};

const withOxlint = async (folders, rules) => {
  const config = { jsPlugins: ["headgate/eslint"], categories: { correctness: "off" }, rules, settings };
  writeFileSync(join(work, "all.json"), JSON.stringify(config));
  const { out } = await run(process.execPath, [OXLINT, "-c", "all.json", "-f", "json", ...folders], { cwd: work });
  return diagnosticsOf(out);
};

const OXLINT = join(modules, "oxlint", "bin", "oxlint");

function diagnosticsOf(out) {
  try {
    return JSON.parse(out).diagnostics.map(({ filename, labels, code, message }) => ({
      file: basename(filename),
      line: labels[0]?.span.line,
      rule: /\((.*)\)/.exec(code ?? "")?.[1],
      message,
    }));
  } catch {
    throw new Error(`oxlint printed no JSON:\n${out}`);
  }
}

const types = { projectService: true, tsconfigRootDir: work };
const linters = [
  { name: "ESLint 9", hasTypes: false, lint: withESLint(eslint9.ESLint, {}) },
  { name: "ESLint 9, with types", hasTypes: true, lint: withESLint(eslint9.ESLint, types) },
  { name: "ESLint 10", hasTypes: false, lint: withESLint(ESLint10, {}) },
  { name: "ESLint 10, with types", hasTypes: true, lint: withESLint(ESLint10, types) },
  { name: "oxlint", hasTypes: false, lint: withOxlint },
];

const versionOf = (name) => JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8")).version;

/** Compares two lists; says what is missing and what is too much. */
function compare(where, actual, wanted) {
  const left = [...actual];
  for (const one of wanted) {
    const at = left.indexOf(one);
    if (at < 0) faults.push(`${where}: not reported: ${one}`);
    else left.splice(at, 1);
  }
  for (const one of left) faults.push(`${where}: must not be reported: ${one}`);
}

for (const { name, hasTypes, lint } of linters) {
  const reports = await lint(["cases"], allRules);
  const wanted = expected(hasTypes);
  must(wanted.length > 100, `there are only ${wanted.length} cases`);
  for (const { rule, message } of reports) must(!message.includes("{{"), `${name}: ${rule}: ${message}`);
  compare(
    name,
    reports.map(({ file, line, rule, message }) =>
      names.includes(rule) ? `${file}:${line} ${rule} ${idOf(rule, message)}` : `${file}:${line} ${rule} ${message}`,
    ),
    wanted,
  );
  const ofPage = await lint(["pages"], allRules);
  compare(
    `${name}: docs/lint.md`,
    ofPage.map(({ file, line, message }) => `${file}:${line}: ${message}`),
    expectedOfPage,
  );
  console.log(`${name}: ${reports.length} reports in the cases, ${ofPage.length} in docs/lint.md`);
}

// ------------------------------------------------------------------------------------- the configurations that the page shows

const RECOMMENDED = names.filter((name) => name !== "ctx-in-class").sort();
const rulesOf = (reports) =>
  [...new Set(reports.map(({ rule }) => rule))].filter((rule) => names.includes(rule)).sort((a, b) => (a < b ? -1 : 1));

for (const [name, ESLint] of [
  ["ESLint 9", eslint9.ESLint],
  ["ESLint 10", ESLint10],
]) {
  for (const config of ["javascript.config.js", "typescript.config.js"]) {
    const file = join(work, "configs", config);
    const eslint = new ESLint({ cwd: work, overrideConfigFile: file });
    const isTyped = config.startsWith("typescript");
    const results = await eslint.lintFiles(isTyped ? ["cases/*.ts"] : ["cases/javascript.js"]);
    const reports = results.flatMap(({ messages }) => messages);
    const seen = rulesOf(reports.map(({ ruleId }) => ({ rule: ruleId?.replace("headgate/", "") })));
    const wanted = isTyped ? RECOMMENDED : ["ctx-not-passed", "floating", "lost-cancel"];
    must(String(seen) === String(wanted), `${name}, configs/${config}: reported are ${seen}, not ${wanted}`);
    const warned = rulesOf(
      reports
        .filter(({ severity }) => severity === 1)
        .map(({ ruleId }) => ({ rule: ruleId?.replace("headgate/", "") })),
    );
    must(String(warned) === (isTyped ? "background" : ""), `${name}, configs/${config}: warned of ${warned}`);
  }
}
const shown = await run(process.execPath, [OXLINT, "-c", "configs/oxlintrc.json", "-f", "json", "cases"], {
  cwd: work,
});
const seen = rulesOf(diagnosticsOf(shown.out));
must(String(seen) === String(RECOMMENDED), `configs/oxlintrc.json: reported are ${seen}, not ${RECOMMENDED}`);

// ------------------------------------------------------------------------------------------------- settings, texts and types

for (const [modules, message] of [
  ["headgate", "settings.headgate.modules must be an object"],
  [{ "^a$": "headgate/none" }, "headgate/none is no entry point of headgate"],
  [{ "^a$": 7 }, "7 is no entry point of headgate"],
]) {
  const eslint = new ESLint10({
    cwd: work,
    overrideConfigFile: true,
    overrideConfig: [{ ...plugin.configs.recommended, settings: { headgate: { modules } } }],
  });
  const error = await eslint.lintText("export {};").catch((error) => error);
  must(error instanceof TypeError && error.message.includes(message), `modules: ${JSON.stringify(modules)}: ${error}`);
}

for (const [name, { meta }] of Object.entries(plugin.rules)) {
  must(meta.docs.url.endsWith(`docs/lint.md#${name}`), `${name} has the address ${meta.docs.url}`);
  for (const text of Object.values(meta.messages))
    must(/^[A-Z].*: .*\.$/.test(text), `${name} has no sentence: ${text}`);
}
must(plugin.meta.version === undefined, "the plugin names a version, which it does not know");

const compiled = await run(process.execPath, [join(modules, "typescript/bin/tsc"), "-p", "types.json"], { cwd: work });
must(compiled.failed === undefined, `types.ts: ${compiled.out}`);

// --------------------------------------------------------------------------------------------------------------------- the end

const versions = ["eslint9", "eslint", "oxlint", "typescript-eslint", "typescript"].map(
  (name) => `${name} ${versionOf(name)}`,
);
for (const fault of faults) console.error(fault);
console.log(`${versions.join(", ")}: ${faults.length} faults`);
process.exitCode = faults.length > 0 ? 1 : 0;
