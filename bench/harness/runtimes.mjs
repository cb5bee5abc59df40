/** headgate in every runtime that is there: those that `npm ci --prefix test/runtimes` installs, and the one that runs this. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { written } from "./contenders.mjs";

const installed = (path) => fileURLToPath(new URL(`../../test/runtimes/node_modules/${path}`, import.meta.url));
const { arch, platform } = process;

const node = (major) => [`Node ${major}`, [installed(`node-${major}-${arch}/bin/node`), "--expose-gc"]];
const [ours] = process.versions.node.split(".");
const all = [
  [`Node ${ours}`, [process.execPath, "--expose-gc"]],
  ...[22, 24, 26].filter((major) => `${major}` !== ours).map((major) => node(major)),
  ["Bun", [installed(`@oven/bun-linux-${arch === "arm64" ? "aarch64" : "x64"}/bin/bun`)]],
  [
    "Deno",
    [
      installed(`@deno/linux-${arch}-glibc/deno`),
      ..."run --no-prompt --allow-read --allow-env --v8-flags=--expose-gc".split(" "),
    ],
  ],
];

/** Each as a contender; and those that are not there, and why. */
export async function runtimes() {
  const present = [];
  const skipped = [];
  for (const [name, command] of all) {
    const asked = existsSync(command[0]) ? spawnSync(command[0], ["--version"], { encoding: "utf8" }) : undefined;
    if (asked === undefined) {
      const how =
        platform === "linux" ? "npm ci --prefix test/runtimes installs it" : `nothing is provided for ${platform}`;
      skipped.push({ id: name, why: `it is not there; ${how}` });
    } else if (asked.status !== 0) {
      skipped.push({ id: name, why: `it does not start here: ${asked.error?.message ?? asked.stderr.trim()}` });
    } else {
      const [version] = /\d+\.\d+\.\d+/.exec(asked.stdout);
      const contender = await written("headgate", { kind: "runtime", command });
      present.push({ ...contender, id: name, name, version, notes: {} });
    }
  }
  return { present, skipped };
}
