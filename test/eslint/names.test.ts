/**
 * What the rules of headgate/eslint know of headgate, compared with docs/api.md, which is made from the sources. `test/lint/` runs the rules.
 */
import { describe, expect, it } from "vitest";
import { cancelIndex, kindOfClass, METHODS, prefixOf, takesContext, waitOf } from "../../src/eslint/names.ts";
import { read } from "../docs/pages.ts";

/** The packages of the core, and the signals. */
const entries = ["", "chan", "context", "errgroup", "retry", "semaphore", "signal", "singleflight", "sync", "time"];

interface Row {
  /** As docs/api.md has it, such as `sync.Mutex.lock`. */
  readonly name: string;
  readonly parameters: readonly string[];
  readonly result: string;
  readonly waits: boolean;
}

const rows: readonly Row[] = entries.flatMap((entry) => {
  const title = entry === "" ? "headgate" : `headgate/${entry}`;
  const [, section = ""] = read("docs/api.md").split(`\n## ${title}\n`);
  return [
    ...section.split("\n## ")[0]!.matchAll(/^\| \[`([\w.]+)\((.*?)\): (.*?)`\]\(.*?\) \| .* \| (yes)? ?\| .*\|$/gm),
  ].map(([, name, parameters, result, waits]) => ({
    name: entry === "signal" ? `signal.${name}` : name!,
    parameters: parameters!.split(", "),
    result: result!,
    waits: waits !== undefined,
  }));
});

/** A `go` may be left alone: `floating` looks at it by itself. */
const waiting = rows.filter(({ name, waits }) => waits && name !== "errgroup.Group.go");

/** `Mutex.lock` for `sync.Mutex.lock`: a method by the kind of its object. */
function pathOf(name: string): string {
  const at = name.lastIndexOf(".");
  const kind = kindOfClass(name.slice(0, Math.max(at, 0)));
  return kind === undefined ? name : `${kind}${name.slice(at)}`;
}

describe("the rules", () => {
  it("read the rows of the page", () => {
    expect(rows.length).toBeGreaterThan(60);
    expect(waiting.length).toBeGreaterThan(15);
  });

  it.each(waiting)("know where the ctx of $name goes", ({ name, parameters }) => {
    const path = pathOf(name);
    const at = parameters.indexOf("ctx?");
    // It waits until no task runs any more, and a ctx that ends does not end those.
    expect(waitOf(path)?.ctx).toBe(at < 0 || path === "WaitGroup.wait" ? undefined : at);
    expect(waitOf(path)).toBeDefined();
    if (path !== name) expect(METHODS).toContain(name.slice(name.lastIndexOf(".") + 1));
  });

  it.each(rows.filter(({ waits }) => !waits))("take $name for no wait", ({ name }) => {
    expect(waitOf(pathOf(name))).toBeUndefined();
  });

  it.each(rows)("know which arguments of $name are a Context", ({ name, parameters }) => {
    const isContext = (parameter: string): boolean => /^(?:ctx\??|parent|other)$/.test(parameter);
    expect(parameters.map((_, i) => takesContext(pathOf(name), i))).toEqual(parameters.map(isContext));
  });

  it.each(rows)("know the cancel function of what $name returns, if there is one", ({ name, result }) => {
    const parts = /^\[(.*)\]$/.exec(result)?.[1]?.split(", ") ?? [];
    const at = parts.findIndex((part) => /^Cancel(Cause)?Func$/.test(part));
    expect(cancelIndex(pathOf(name))).toBe(at < 0 ? undefined : at);
  });
});

describe("a specifier", () => {
  it.each([
    ["headgate", ""],
    ["headgate/chan", ""],
    ["headgate/context", "context."],
    ["@headgate/headgate", ""],
    ["@headgate/headgate/sync", "sync."],
    ["jsr:@headgate/headgate@^0.1.0", ""],
    ["jsr:/@headgate/headgate@0.1.0/time", "time."],
    ["npm:headgate@0.1.0/context", "context."],
    ["npm:headgate", ""],
  ])("%s is headgate's", (specifier, prefix) => {
    expect(prefixOf(specifier)).toBe(prefix);
  });

  it.each(["headgate-next", "@example/headgate", "./headgate", "headgate/none", "headgate/testing", "myheadgate", ""])(
    "%j is none that the rules know",
    (specifier) => {
      expect(prefixOf(specifier)).toBeUndefined();
    },
  );
});
