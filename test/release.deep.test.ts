/**
 * The release sets the addresses of the package from where it runs, and invents none.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = new URL("..", import.meta.url).pathname;
const script = join(root, "scripts/release.mjs");
const { pageOf, pageHere, addressesOf } = (await import(script)) as {
  pageOf: (remote: string) => string | undefined;
  pageHere: (env: Record<string, string>, remote: string) => string | undefined;
  addressesOf: (page: string) => Record<string, unknown>;
};

const page = "https://git.example.com/some/where";

describe("the page of a repository", () => {
  it.each([
    "https://git.example.com/some/where.git",
    "https://git.example.com/some/where/",
    "https://ann:token@git.example.com/some/where.git",
    "ssh://git@git.example.com:2222/some/where.git",
    "git@git.example.com:some/where.git",
    "git://git.example.com/some/where",
  ])("is found by the remote %s", (remote) => {
    expect(pageOf(remote)).toBe(page);
  });

  it.each([
    "",
    "/srv/git/where.git",
    "../where",
    "file:///srv/where.git",
    "origin",
    "https://localhost/x/y",
    "C:\\git\\x",
  ])("is not invented for the remote %j", (remote) => {
    expect(pageOf(remote)).toBeUndefined();
  });

  it("is the one that CI runs for, before that of the remote", () => {
    const github = { GITHUB_SERVER_URL: "https://git.example.com", GITHUB_REPOSITORY: "some/where" };
    expect(pageHere(github, "git@other.example.com:a/b")).toBe(page);
    expect(pageHere({ CI_PROJECT_URL: page }, "")).toBe(page);
    expect(pageHere({}, "git@other.example.com:a/b")).toBe("https://other.example.com/a/b");
    expect(pageHere({}, "")).toBeUndefined();
  });

  it("gives all three addresses", () => {
    expect(addressesOf(page)).toEqual({
      homepage: `${page}#readme`,
      bugs: { url: `${page}/issues` },
      repository: { type: "git", url: `git+${page}.git` },
    });
    expect(addressesOf("https://gitlab.example.com/a/b").bugs).toEqual({
      url: "https://gitlab.example.com/a/b/-/issues",
    });
  });
});

describe("the release", () => {
  /** A repository without a remote. */
  const nowhere = mkdtempSync(join(tmpdir(), "headgate-release-"));
  beforeAll(() => void execFileSync("git", ["init", "-q", nowhere]));
  afterAll(() => rmSync(nowhere, { recursive: true, force: true }));

  function release(
    env: Record<string, string>,
    ...args: string[]
  ): { status: number | null; out: string; err: string } {
    const { PATH = "", HOME = "" } = process.env;
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], {
      encoding: "utf8",
      env: { PATH, HOME, GIT_DIR: join(nowhere, ".git"), ...env },
    });
    return { status, out: stdout, err: stderr };
  }

  it("refuses where nobody says where the repository is, and tells what to do", () => {
    for (const args of [[], ["--publish"]]) {
      const { status, err } = release({}, ...args);
      expect([status, err]).toEqual([1, expect.stringMatching(/^release: .*set the remote origin/)]);
    }
  });

  it("refuses an option that it does not know, for a word that is misspelt must not publish", () => {
    expect(release({ CI_PROJECT_URL: page }, "--dry-run")).toMatchObject({
      status: 1,
      err: expect.stringContaining("--dry-run"),
    });
  });

  it("does not publish unless it is told to, and leaves the manifest as it is", () => {
    const before = readFileSync(join(root, "package.json"), "utf8");
    const { status, out, err } = release({ CI_PROJECT_URL: page });
    expect([status, err]).toEqual([0, ""]);
    expect(out).toContain("not published");
    const copy = join(root, ".build/release/package");
    const manifest = JSON.parse(readFileSync(join(copy, "package.json"), "utf8")) as Record<string, unknown>;
    expect(manifest).toMatchObject({ name: "headgate", ...addressesOf(page) });
    expect(existsSync(join(copy, "dist/core.js"))).toBe(true);
    expect(readFileSync(join(root, "package.json"), "utf8")).toBe(before);
  });
});
