/** What the figures were measured on: the machine, and the versions of all that took part. */
import { existsSync, readFileSync } from "node:fs";
import { arch, cpus, release, totalmem, type } from "node:os";
import process from "node:process";

const read = (path) => (existsSync(path) ? readFileSync(path, "utf8") : "");

export function machine(contenders, folder = new URL("..", import.meta.url)) {
  const all = cpus();
  return {
    cores: all.length,
    cpu: all[0]?.model.trim() || "unknown",
    memory: `${Math.round(totalmem() / 2 ** 30)} GB`,
    // Only the number of a kernel: what follows it may name whose it is.
    os: [/^PRETTY_NAME="(.*)"$/m.exec(read("/etc/os-release"))?.[1], type(), /^[\d.]+/.exec(release())?.[0], arch()]
      .filter((part) => part !== undefined)
      .join(" "),
    node: process.versions.node,
    v8: process.versions.v8,
    go: contenders.find(({ kind }) => kind === "go")?.version,
    rivals: rivals(folder),
  };
}

/** The packages of the rivals, as they are installed. */
function rivals(folder) {
  const { dependencies } = JSON.parse(readFileSync(new URL("package.json", folder), "utf8"));
  const versions = {};
  for (const name of Object.keys(dependencies)) {
    const text = read(new URL(`node_modules/${name}/package.json`, folder));
    if (text !== "") versions[name] = JSON.parse(text).version;
  }
  return versions;
}
