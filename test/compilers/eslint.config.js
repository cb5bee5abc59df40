/** The recipe for ESLint: `using _ = cancel` is used, and the subpaths are found by the resolver that reads exports. */
import imports from "eslint-plugin-import";
import { configs } from "typescript-eslint";

export default [
  ...configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { project: true } },
    plugins: { import: imports },
    settings: { "import/resolver": { typescript: true } },
    rules: {
      "@typescript-eslint/no-unused-vars": ["error", { ignoreUsingDeclarations: true }],
      "import/no-unresolved": "error",
      "import/named": "error",
    },
  },
];
