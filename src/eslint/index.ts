/**
 * `headgate/eslint`: what `go vet` and Go's linters find out about contexts, groups and locks. It is a plugin for ESLint 9 and 10, and for
 * oxlint.
 *
 * Invariants:
 * - A file that does not import headgate is not looked at, and gets no report.
 * - No rule needs types, has options, or changes code.
 * - It imports nothing, and no other entry point imports it.
 */
import { background } from "./background.ts";
import { ctxInClass } from "./ctxinclass.ts";
import { ctxNotPassed } from "./ctxnotpassed.ts";
import { floating } from "./floating.ts";
import { groupWait } from "./groupwait.ts";
import { lockGuard } from "./lockguard.ts";
import { lostCancel } from "./lostcancel.ts";
import { race } from "./race.ts";
import type { Rule, RuleMeta } from "./rule.ts";

export type { Rule, RuleMeta };

/** The plugin, as ESLint and oxlint take it. */
export interface Plugin {
  /** Its name. */
  readonly meta: { readonly name: string };
  /** The rules, by their names without `headgate/`. */
  readonly rules: Record<RuleName, Rule>;
  /** `recommended` for ESLint's `eslint.config.js`. */
  readonly configs: { readonly recommended: Config };
}

/** The rules. docs/lint.md has a section for each. */
export type RuleName =
  | "background"
  | "ctx-in-class"
  | "ctx-not-passed"
  | "floating"
  | "group-wait"
  | "lock-guard"
  | "lost-cancel"
  | "race";

/** An entry of ESLint's `eslint.config.js`. */
export interface Config {
  /** What ESLint's messages call it. */
  readonly name: string;
  /** This plugin, as `headgate`. */
  readonly plugins: Record<"headgate", Plugin>;
  /** The rules that are on. */
  readonly rules: Record<string, "error" | "warn">;
}

const rules: Record<RuleName, Rule> = {
  "lost-cancel": lostCancel,
  "ctx-not-passed": ctxNotPassed,
  floating,
  "lock-guard": lockGuard,
  "group-wait": groupWait,
  race,
  background,
  "ctx-in-class": ctxInClass,
};

/** The plugin and its configuration, each of which has the other. */
function made(): Plugin {
  const on = Object.entries(rules)
    .filter(([, { meta }]) => meta.docs.recommended)
    .map(([name, { meta }]) => [`headgate/${name}`, meta.type === "problem" ? "error" : "warn"] as const);
  const plugins = {} as Record<"headgate", Plugin>;
  const recommended: Config = { name: "headgate/recommended", plugins, rules: Object.fromEntries(on) };
  const plugin: Plugin = { meta: { name: "headgate" }, rules, configs: { recommended } };
  plugins.headgate = plugin;
  return plugin;
}

/**
 * A plugin for ESLint 9 and 10, and for oxlint. It finds a lost cancel function, a wait without the ctx that is in scope, and a promise of
 * headgate that no code awaits. It also finds a lock that an error leaves locked, a group that no code waits for, and an operation in
 * Promise.race. No types are needed; typescript-eslint's are used.
 *
 * `configs.recommended` has all rules except `ctx-in-class`. In oxlint, name it in `jsPlugins`, and turn on each rule. The setting
 * `headgate.modules` names modules of yours that hand headgate on. Each key is a pattern of their specifiers, and its value the entry
 * point that they stand for, such as "headgate".
 *
 * The page docs/lint.md shows each rule with its broken and its mended form.
 *
 * **Errors**: the linter reports a TypeError for a setting of another form.
 *
 * @see Go's [vet](https://pkg.go.dev/cmd/vet)
 * @example
 * ```ts no-run
 * import headgate from "headgate/eslint";
 *
 * // eslint.config.js
 * export default [headgate.configs.recommended];
 * ```
 */
const plugin: Plugin = /* @__PURE__ */ made();

// ESLint and oxlint take a plugin by its default export.
export default plugin;
