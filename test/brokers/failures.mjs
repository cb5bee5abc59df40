/**
 * A reporter of node:test that names each failed test, with its error, and nothing else.
 */
import { inspect } from "node:util";

/** A test fails because of its own error, or of that of a test within it, which is reported by itself. */
const isOwn = ({ details: { error } }) => !["subtestsFailed", "cancelledByParent"].includes(error.failureType);

/** The first lines of what a test threw. */
function reasonOf({ cause = "no error", failureType }) {
  const text = typeof cause === "string" ? `${failureType}: ${cause}` : inspect(cause);
  return text
    .split("\n")
    .filter((line) => !line.includes("(node:internal/"))
    .slice(0, 20)
    .map((line) => `    ${line}\n`)
    .join("");
}

export default async function* failures(source) {
  for await (const { type, data } of source) {
    if (type === "test:fail" && isOwn(data)) yield `  ${data.name}\n${reasonOf(data.details.error)}`;
  }
}
