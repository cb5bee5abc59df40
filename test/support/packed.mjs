/**
 * headgate as a user has it: packed, and installed from the archive. What is tested here is what is published, and not the folder.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

const npm = (cwd, ...args) =>
  execFileSync("npm", [...args, "--silent", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd, encoding: "utf8" });

/** Packs what has been built and installs it in a new folder, which is gone when this process ends. Returns the folder. */
export function installed() {
  if (!existsSync(join(root, "dist", "core.js"))) throw new Error("headgate has not been built: npm run build");
  const folder = mkdtempSync(join(tmpdir(), "headgate-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const archive = npm(root, "pack", "--pack-destination", folder).trim().split("\n").at(-1);
  writeFileSync(join(folder, "package.json"), '{ "name": "user", "private": true, "type": "module" }\n');
  npm(folder, "install", "--offline", join(folder, archive));
  return folder;
}

/** Puts a copy of the installed package among the modules of another folder. */
export function installIn(folder, name = "headgate", from = installed()) {
  const to = join(folder, "node_modules", name);
  rmSync(to, { recursive: true, force: true });
  cpSync(join(from, "node_modules", "headgate"), to, { recursive: true });
  return to;
}

/** The files of the package that are JavaScript, by their paths in it. */
export function scriptsOf(folder) {
  return readdirSync(join(folder, "node_modules", "headgate", "dist"), { recursive: true })
    .map((file) => `dist/${file.replaceAll("\\", "/")}`)
    .filter((file) => file.endsWith(".js"));
}

/**
 * A module as it is where nobody resolves the names of packages: with the paths of the files in place of `headgate/…`. `base` leads from
 * the module to the folder of modules.
 */
export function resolvedIn(folder, text, base = "./node_modules") {
  const manifest = JSON.parse(readFileSync(join(folder, "node_modules", "headgate", "package.json"), "utf8"));
  return text.replace(/from "(headgate(?:\/[\w/]+)?)"/g, (all, name) => {
    const target = manifest.exports[`.${name.slice("headgate".length)}`].default;
    return `from "${base}/headgate/${target.slice(2)}"`;
  });
}
