import headgate from "headgate/eslint";
import tseslint from "typescript-eslint";

export default [
  {
    files: ["**/*.ts"],
    languageOptions: { parser: tseslint.parser, parserOptions: { projectService: true } },
  },
  headgate.configs.recommended,
];
