/**
 * Publishes the package, with the addresses of the repository that this runs in: `node scripts/release.mjs [--publish [NPM-OPTION…]]`.
 *
 * The manifest names no address, because the sources do not know where the repository will live. The release takes the address from CI, or
 * else from the remote of git. Without an address it refuses to publish. Without `--publish` it only makes the archive, in
 * `.build/release/`, and shows what it would do.
 *
 * The folder stays as it is: the addresses are set in a copy, unpacked from the archive.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * The page of a repository, by the address that git has of it; undefined if that is none on the web. What is secret in an address, such as
 * a token, is not in the page.
 */
export function pageOf(remote) {
  const [, host, path] =
    /^(?:https?|ssh|git):\/\/(?:[^@/]*@)?([\w.-]+)(?::\d+)?\/(.+)$/.exec(remote) ??
    // As ssh writes it.
    /^[\w.-]+@([\w.-]+):(?!\/)(.+)$/.exec(remote) ??
    [];
  const name = path?.replace(/\/+$/, "").replace(/\.git$/, "");
  const isOnTheWeb = host !== undefined && host.includes(".") && /^[\w.~-]+(\/[\w.~-]+)+$/.test(name);
  return isOnTheWeb ? `https://${host}/${name}` : undefined;
}

/** The page of the repository that CI says it runs for, else that of the remote. */
export function pageHere(env, remote) {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name, CI_PROJECT_URL: project } = env;
  if (server && name) return pageOf(`${server}/${name}`);
  return pageOf(project || remote);
}

/** The addresses in the manifest, by the page of the repository. */
export function addressesOf(page) {
  const issues = page.startsWith("https://gitlab.") ? `${page}/-/issues` : `${page}/issues`;
  return {
    homepage: `${page}#readme`,
    bugs: { url: issues },
    repository: { type: "git", url: `git+${page}.git` },
  };
}

/** Why CI, which runs for a tag, must not publish this version; undefined if it may. */
export function tagFault({ GITHUB_REF_TYPE: type, GITHUB_REF_NAME: tag }, version) {
  return type !== "tag" || tag === `v${version}` ? undefined : `the tag is ${tag}, and the version ${version}`;
}

/** What a command prints, or nothing if it fails. */
function said(command, ...args) {
  try {
    return execFileSync(command, args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return "";
  }
}

/** Packs what has been built; the archive, and what is in it, have the addresses. Returns the folder of the copy. */
function packed(addresses) {
  const out = join(root, ".build", "release");
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const quiet = ["--silent", "--ignore-scripts", "--pack-destination", out];
  const pack = (folder) =>
    join(
      out,
      execFileSync("npm", ["pack", ...quiet], { cwd: folder, encoding: "utf8" })
        .trim()
        .split("\n")
        .at(-1),
    );
  execFileSync("tar", ["-xzf", pack(root), "-C", out]);
  const copy = join(out, "package");
  const manifest = join(copy, "package.json");
  const { keywords, description, ...rest } = JSON.parse(readFileSync(manifest, "utf8"));
  const { name, version } = rest;
  const whole = { name, version, description, keywords, ...addresses, ...rest };
  writeFileSync(manifest, `${JSON.stringify(whole, null, 2)}\n`);
  return { copy, archive: pack(copy) };
}

function main(args) {
  const publishes = args[0] === "--publish";
  if (args.length > 0 && !publishes) throw new Error(`there is no option ${args[0]}; there is --publish [NPM-OPTION…]`);
  const page = pageHere(process.env, said("git", "remote", "get-url", "origin"));
  if (page === undefined) {
    throw new Error(
      "the address of the repository is not known, so the package is not published: set the remote origin to it, or run this in its CI",
    );
  }
  if (publishes) {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const fault = tagFault(process.env, version);
    if (fault !== undefined) throw new Error(fault);
    if (said("git", "status", "--porcelain") !== "") throw new Error("there are changes that are not committed");
    execFileSync("npm", ["run", "--silent", "build"], { cwd: root, stdio: "inherit" });
  }
  const { copy, archive } = packed(addressesOf(page));
  console.log(`${archive} has the addresses of ${page}`);
  // What the build needs is not in the copy.
  if (publishes)
    execFileSync("npm", ["publish", "--ignore-scripts", ...args.slice(1)], { cwd: copy, stdio: "inherit" });
  else console.log("not published: that is done by node scripts/release.mjs --publish");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    main(process.argv.slice(2));
  } catch (error) {
    console.error(`release: ${error.message}`);
    process.exitCode = 1;
  }
}
