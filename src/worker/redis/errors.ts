/**
 * Errors of a Redis server, with an advice.
 *
 * Invariant: the server's own words stay in the message, so that a search finds them, and the original error is the
 * `cause`.
 */

import { reasonOf } from "../reason.ts";

/** By the code at the start of the server's message: the rule that was broken, and the remedy. */
const ADVICE: Readonly<Record<string, string>> = {
  WRONGTYPE: "a key holds something other than what the source keeps there; name another key, or delete this one",
  NOPERM: "the user lacks a right; docs/brokers/redis.md lists those that the source needs",
  NOAUTH: "the server wants a password; give it to the client",
  WRONGPASS: "the server does not accept the user name or the password of the client",
  READONLY: "this server is a replica, and takes no verdicts; connect the client to its primary",
  CLUSTERDOWN: "the cluster does not serve this key at the moment; the source tries again",
  MOVED: "another node of the cluster has this key; connect the client to that one",
  ASK: "the key is on its way to another node of the cluster; connect the client to that one",
  CROSSSLOT: "in a cluster all keys of a source need the same {hash tag}",
  OOM: "the memory of the server is full (maxmemory); settle messages, or give it more",
  LOADING: "the server is still loading its data; the source tries again",
  MASTERDOWN: "the server is a replica without its primary; connect the client to a primary",
  MISCONF: "the server takes no writes, because it cannot save its data; see its log",
  NOREPLICAS: "the server takes no writes, because too few replicas are connected",
  BUSY: "a script keeps the server from answering; the source tries again",
  EXECABORT: "the server has refused a transaction",
};

/**
 * The server's own message, without the name of a script that some versions put around it; `undefined` for another
 * error.
 */
function serverMessage(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const inScript = /^ERR Error running script .*?: @\w+: ?\d+: (.*)$/s.exec(error.message);
  const message = inScript?.[1] ?? error.message;
  // Inside a script, NOPERM is spelled like this.
  if (message.startsWith("ERR ACL failure")) return message.replace("ERR", "NOPERM");
  return /^-?[A-Z][A-Z0-9]+ /.test(message) ? message.replace(/^-/, "") : undefined;
}

/** The server has sent this error. Any other error means that the command or its answer did not get through. */
export function isServerError(error: unknown): boolean {
  return serverMessage(error) !== undefined;
}

/** The server has sent an error with this code. In some versions the error of a script has the code in the middle. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && error.message.includes(code);
}

/** An error that says what was tried, what the server answered, and what to do. */
export function explained(what: string, error: unknown): Error {
  if (error instanceof Error && error.message.startsWith("redisStream: ")) return error;
  const message = serverMessage(error);
  const code = message === undefined ? undefined : Object.keys(ADVICE).find((code) => message.startsWith(`${code} `));
  // The error of Node has no message if it has tried several addresses.
  const text = message ?? (error instanceof Error && error.message !== "" ? error.message : reasonOf(error));
  if (code !== undefined)
    return new Error(`redisStream: ${what}: ${ADVICE[code]}. The server says: ${text}`, { cause: error });
  const why = message === undefined ? "there is no connection: " : "the server says: ";
  return new Error(`redisStream: ${what}: ${why}${text}`, { cause: error });
}
