/**
 * The settings of VitePress. docs/site/run.mjs, which calls it, has put the pages into the source folder.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { pageHere, pageOf } from "../../../scripts/release.mjs";
import { BASE } from "../base.mjs";
import { fromGitHub, slugify } from "../markdown.mjs";
import { hasPlay, listOfPages, output, PLAY, REFERENCE, root, source } from "../pages.mjs";

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** The page of the repository, which the manifest of a release names. */
function repositoryPage() {
  const address = manifest.repository?.url?.replace(/^git\+/, "");
  if (address !== undefined) return pageOf(address);
  try {
    const git = { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] };
    return pageHere(process.env, execFileSync("git", ["remote", "get-url", "origin"], git).trim());
  } catch {
    return pageHere(process.env, "");
  }
}

const repository = repositoryPage();
const files = repository === undefined ? undefined : `${repository}/blob/main`;

/** Pages of wide tables. */
const WIDE = new Set(["api.md", "rosetta.md", "semantics.md", "benchmarks.md", "benchmarks-brokers.md"]);

export default {
  title: "headgate",
  description: manifest.description,
  lang: "en",
  base: BASE,
  srcDir: source,
  outDir: output,
  cacheDir: join(root, ".build", "site-cache"),
  transformPageData: ({ relativePath, frontmatter }) => {
    if (WIDE.has(relativePath)) frontmatter.aside = false;
  },
  head: [["link", { rel: "icon", href: "data:," }]],
  markdown: {
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
    anchor: { slugify },
    toc: { slugify },
    headers: { slugify },
    config: (md) => md.use(fromGitHub, { repository: files }),
  },
  themeConfig: {
    nav: [
      { text: "Begin", link: "/start.html" },
      ...(hasPlay() ? [{ text: "Stop it anywhere", link: `/${PLAY}`, target: "_self" }] : []),
      { text: "Every name", link: "/api.html" },
      { text: "Reference", link: `/${REFERENCE}/` },
    ],
    sidebar: listOfPages(),
    outline: { level: [2, 3] },
    search: { provider: "local", options: { miniSearch: { searchOptions: { prefix: true, fuzzy: 0.1 } } } },
    ...(repository === undefined ? {} : { socialLinks: [{ icon: "github", link: repository }] }),
  },
  vite: {
    // The pages are outside of this folder.
    server: { fs: { allow: [root] } },
    build: { chunkSizeWarningLimit: 3_000 },
    logLevel: "warn",
  },
};
