/**
 * What the site makes of Markdown that was written for GitHub: anchors, links to other pages and to files, the kinds of programs, pictures.
 */
import { sourceOf, targetOf } from "./pages.mjs";

/** What GitHub makes of a heading, so that one can link to it. */
export const slugify = (heading) =>
  heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, "")
    .replaceAll(" ", "-");

/** What stands above a program that is not simply run. */
const KINDS = {
  fails: "Fails, as its comments say",
  "no-run": "Not run here",
};

const escapeHtml = (text) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** The address of a link in the site; null if it leads nowhere there. */
function addressOf(page, href, repository) {
  const target = targetOf(page, href);
  if (target === undefined) return href;
  if (target.place !== undefined) return `/${target.place}${target.hash}`;
  return repository === undefined ? null : `${repository}/${target.file}${target.hash}`;
}

/** Sets the addresses of the links of a line, and makes text of those that lead nowhere. */
function withLinks(tokens, page, repository) {
  const open = [];
  return tokens.filter((token) => {
    if (token.type === "link_open") {
      const address = addressOf(page, token.attrGet("href"), repository);
      if (address !== null) token.attrSet("href", address);
      open.push(address !== null);
      return address !== null;
    }
    if (token.type === "link_close") return open.pop();
    return true;
  });
}

/** The elements that a page may have. Others, such as a placeholder in angle brackets, are text. */
const ELEMENTS = new Set(
  "a b br code dd details div dl dt em i img kbd li ol p picture pre source span strong sub summary sup table tbody td th thead tr ul".split(
    " ",
  ),
);

/** Makes text of HTML that is none, and of what Vue would take for an expression. */
function asText(token) {
  if (token.type === "html_inline") {
    const [, name] = /^<\/?([a-z][\w-]*)/i.exec(token.content) ?? [];
    if (name !== undefined && !ELEMENTS.has(name.toLowerCase())) token.type = "text";
  }
  return token;
}

/** The plugin of markdown-it. `repository` is the address under which its files are. */
export function fromGitHub(md, { repository }) {
  md.core.ruler.push("repository-links", ({ tokens, env }) => {
    const page = sourceOf(env.relativePath);
    if (page === undefined) return;
    for (const token of tokens) {
      if (token.type === "inline") token.children = withLinks(token.children, page, repository);
    }
  });

  md.core.ruler.push("no-elements", ({ tokens }) => {
    for (const { children } of tokens) for (const token of children ?? []) asText(token);
  });
  const text = md.renderer.rules.text;
  md.renderer.rules.text = (...args) => text(...args).replaceAll("{{", "&#123;&#123;");

  // A row of semantics.md can be linked to by its number.
  md.core.ruler.push("row-anchors", ({ tokens, env }) => {
    if (env.relativePath !== "semantics.md") return;
    for (const [i, token] of tokens.entries()) {
      const number = tokens[i + 1]?.content;
      if (token.type === "td_open" && tokens[i - 1]?.type === "tr_open" && /^[A-Z]\d+$/.test(number)) {
        token.attrSet("id", number.toLowerCase());
      }
    }
  });

  const fence = md.renderer.rules.fence;
  md.renderer.rules.fence = (tokens, i, options, env, self) => {
    const [language, ...rest] = tokens[i].info.trim().split(" ");
    if (language === "mermaid") return `<Mermaid code="${encodeURIComponent(tokens[i].content)}" />`;
    const name = /^\w+\.mjs/.test(rest[0] ?? "") ? rest.join(" ") : KINDS[rest[0]];
    // The highlighter wants the language alone.
    tokens[i].info = language === "" ? "text" : language;
    const html = fence(tokens, i, options, env, self);
    return name === undefined ? html : `<div class="program"><p>${escapeHtml(name)}</p>${html}</div>`;
  };
}
