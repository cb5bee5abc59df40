/**
 * What the server of Redis says when it refuses something, in words that say what to do.
 *
 * Invariant: the server's own words stay in the message, for somebody may look for them, and the error itself is the `cause`.
 */

import { reasonOf } from "../reason.ts";

/** By the code that the server's words begin with: which rule was broken, and what to do. */
const RULES: Readonly<Record<string, string>> = {
  WRONGTYPE: "a key holds something other than what the source keeps there; name another key, or delete this one",
  NOPERM: "the user lacks a right; docs/worker.md lists those that the source needs",
  NOAUTH: "the server wants a password; give it to the client",
  WRONGPASS: "the server does not take the user name or the password of the client",
  READONLY: "this server is a replica, and takes no verdicts; connect the client to its primary",
  CLUSTERDOWN: "the cluster does not serve this key at the moment; it is tried again",
  MOVED: "another node of the cluster has this key; connect the client to that one",
  ASK: "the key is on its way to another node of the cluster; connect the client to that one",
  CROSSSLOT: "in a cluster all keys of a source need the same {hash tag}",
  OOM: "the memory of the server is full (maxmemory); settle messages, or give it more",
  LOADING: "the server is still loading its data; it is tried again",
  MASTERDOWN: "the server is a replica without its primary; connect the client to a primary",
  MISCONF: "the server takes no writes, as it cannot save its data; see its log",
  NOREPLICAS: "the server takes no writes, as too few replicas are connected",
  BUSY: "a script keeps the server from answering; it is tried again",
  EXECABORT: "the server has refused a transaction",
};

/** The words of the server, without the name of a script that some versions put around them. */
function wordsOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const inScript = /^ERR Error running script .*?: @\w+: ?\d+: (.*)$/s.exec(error.message);
  const words = inScript?.[1] ?? error.message;
  // So a server says it of what a script does.
  if (words.startsWith("ERR ACL failure")) return words.replace("ERR", "NOPERM");
  return /^-?[A-Z][A-Z0-9]+ /.test(words) ? words.replace(/^-/, "") : undefined;
}

/** Whether the server has said so. All else went wrong on the way to it. */
export function isServers(error: unknown): boolean {
  return wordsOf(error) !== undefined;
}

/** Whether this is an error of the server with this code. What a script has failed with is amid other words, in some versions. */
export function isReply(error: unknown, code: string): boolean {
  return error instanceof Error && error.message.includes(code);
}

/** An error that says what was tried, what the server said, and what to do. */
export function explained(what: string, error: unknown): Error {
  if (error instanceof Error && error.message.startsWith("redisStream: ")) return error;
  const words = wordsOf(error);
  const code = words === undefined ? undefined : Object.keys(RULES).find((code) => words.startsWith(`${code} `));
  // Node says nothing in words where it has tried several addresses.
  const said = words ?? (error instanceof Error && error.message !== "" ? error.message : reasonOf(error));
  if (code !== undefined)
    return new Error(`redisStream: ${what}: ${RULES[code]}. The server says: ${said}`, { cause: error });
  const why = words === undefined ? "there is no connection: " : "the server says: ";
  return new Error(`redisStream: ${what}: ${why}${said}`, { cause: error });
}
