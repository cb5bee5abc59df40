/**
 * The recipes for Jest: headgate consists of ES modules, and Jest loads CommonJS unless it is told otherwise.
 *
 * `commonjs`, for tests that are compiled to CommonJS: let Babel compile headgate, too. `esm`, by `NODE_OPTIONS=--experimental-vm-modules`:
 * nothing is compiled. `typescript`: ts-jest compiles the tests and headgate.
 */
const compiled = [
  "babel-jest",
  { babelrc: false, configFile: false, presets: [["@babel/preset-env", { targets: { node: "current" } }]] },
];
const commonjs = {
  testMatch: ["<rootDir>/jest/*.spec.js"],
  transform: { "\\.js$": compiled },
  transformIgnorePatterns: ["/node_modules/(?!headgate)"],
};

const projects = {
  esm: { testMatch: ["<rootDir>/jest/*.spec.js"], transform: {} },
  "commonjs, node": commonjs,
  "commonjs, jsdom": { ...commonjs, testEnvironment: "jsdom", setupFiles: ["<rootDir>/jest/jsdom.cjs"] },
  typescript: {
    testMatch: ["<rootDir>/jest/*.spec.ts"],
    transform: { "\\.[jt]s$": ["ts-jest", { tsconfig: "<rootDir>/jest/ts-jest.json" }] },
    transformIgnorePatterns: ["/node_modules/(?!headgate)"],
  },
};

const { RECIPE: wanted } = process.env;
export default { rootDir: import.meta.dirname, displayName: wanted, testEnvironment: "node", ...projects[wanted] };
