/**
 * What PostgreSQL says when it refuses something, in words that say what to do.
 *
 * Invariant: the server's own words stay in the message, and the error itself is the `cause`. What needs no words is passed on as it is.
 */

/** By the SQLSTATE of the error: which rule was broken, and what to do. */
const RULES: Readonly<Record<string, string>> = {
  "42P01": "a table of the queue is missing; make it with createQueue, or with the statements of schema()",
  "42703": "a table of the queue is not as schema() makes it; compare them",
  "42P10": "a table of the queue has not the indexes of schema()",
  "3F000": "the schema of the table is missing; make it first",
  "42501": "the user lacks a right; grant select, insert, update and delete on the tables of the queue",
  "25006": "this server takes no writes, as a replica does; connect the pool to its primary",
  "28P01": "the server does not take the user name or the password of the pool",
  "28000": "the server does not let this user in; see its pg_hba.conf",
  "3D000": "there is no such database; make it, or name another in the pool's settings",
  "53300": "the server has no connection to spare; raise its max_connections, or give the pools a smaller max",
  "53100": "the disk of the server is full; make room",
  "57P03": "the server is starting or stopping; it is tried again",
};

/** The classes of SQLSTATE that say that the data is at fault: data exception, constraint, program limit, raised by a trigger. */
const DATA: readonly string[] = ["22", "23", "44", "54", "P0"];

function codeOf(error: unknown): string {
  const code: unknown = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === "string" ? code : "";
}

/** Whether the server takes no exception to the call, but to what is in it. */
export function isAboutData(error: unknown): boolean {
  const code = codeOf(error);
  return code.length === 5 && DATA.includes(code.slice(0, 2));
}

/** The error itself; or if the server's words alone do not say it, one that says what was tried, what is wrong, and what to do. */
export function explained(what: string, error: unknown, caller: string = "postgresQueue"): unknown {
  const code = codeOf(error);
  const said = error instanceof Error ? error.message : String(error);
  const prefix = `${caller}: ${what}: `;
  if (RULES[code] !== undefined) {
    return Object.assign(new Error(`${prefix}${RULES[code]}. The server says: ${said}`, { cause: error }), { code });
  }
  // Node says nothing in words where it has tried several addresses.
  if (said === "")
    return Object.assign(new Error(`${prefix}there is no connection: ${code}`, { cause: error }), { code });
  return error;
}
