/** The plugin is what the types of ESLint 9, ESLint 10 and typescript-eslint ask for. Only compiled. */
import { ESLint as ESLint10, type Linter as Linter10, type Rule as Rule10 } from "eslint";
import { defineConfig } from "eslint/config";
import type { ESLint as ESLint9, Linter as Linter9, Rule as Rule9 } from "eslint9";
import headgate, { type Plugin, type RuleName } from "headgate/eslint";
import { config } from "typescript-eslint";

export const plugins: [Plugin, ESLint9.Plugin, ESLint10.Plugin] = [headgate, headgate, headgate];
export const rules: [Rule9.RuleModule, Rule10.RuleModule] = [headgate.rules.race, headgate.rules["lost-cancel"]];
export const names: RuleName[] = ["background", "ctx-in-class", "group-wait"];
export const configs: [Linter9.Config, Linter10.Config] = [headgate.configs.recommended, headgate.configs.recommended];
export const defined: Linter10.Config[] = defineConfig([
  headgate.configs.recommended,
  { plugins: { headgate }, rules: { "headgate/background": "off" } },
  { files: ["**/*.ts"], extends: [headgate.configs.recommended] },
]);
export const withTypes: unknown = config(headgate.configs.recommended);
// @ts-expect-error: there is no such rule
export const none: unknown = headgate.rules["no-such"];
