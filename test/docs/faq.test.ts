/**
 * The page of questions: each symptom of its table has a part, in which a program shows it and another one is the cure. That these do so is
 * shown by the test of all snippets.
 */
import { describe, expect, it } from "vitest";
import { fencesOf } from "./fences.ts";
import { read } from "./pages.ts";

const page = read("docs/faq.md");
const parts = page
  .split(/^(?=## )/m)
  .slice(1)
  .map((text) => ({ title: /^## (.*)$/m.exec(text)![1]!, text }));
const table = page.slice(0, page.indexOf("\n## "));
const symptoms = parts.slice(0, -3);

const anchor = (title: string): string =>
  title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");

describe("the questions", () => {
  it("are in the table at the top, in the order of the page", () => {
    const links = [...table.matchAll(/\]\(#([^)]*)\)/g)].map(([, link]) => link!);
    expect(links).toEqual(["glossary", ...symptoms.map(({ title }) => anchor(title))]);
    expect(symptoms.length).toBeGreaterThanOrEqual(15);
    expect(parts.slice(-3).map(({ title }) => title)).toEqual(["More questions", "Glossary", "Where to go"]);
  });

  it.each(symptoms)("have a program that works, and one that fails has it beside: $title", ({ text }) => {
    const kinds = fencesOf("docs/faq.md", text).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "js" || kind === "ts").length).toBeGreaterThan(0);
    if (kinds.length > 1) expect(text).toMatch(/\*\*The cure\*\*|Everywhere else/);
  });

  it("have a glossary of twenty words, in order, a line each", () => {
    const rows = [...parts.at(-2)!.text.matchAll(/^\| ([^|]+) \| ([^|]+) \|$/gm)].slice(1).map(([, word]) => word!);
    expect(rows.length).toBe(20);
    expect(rows).toEqual([...rows].sort((a, b) => a.localeCompare(b, "en")));
  });
});
