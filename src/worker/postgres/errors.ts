/**
 * Errors of PostgreSQL, with advice on what to do.
 *
 * Invariant: the server's own words stay in the message, and its error is the `cause`. An error without advice is
 * passed on as it is.
 */

/** The advice by the SQLSTATE of the error: what is wrong, and what to do. */
const ADVICE: Readonly<Record<string, string>> = {
  "42P01": "a table of the queue is missing; create it with createQueue, or with the statements of schema()",
  "42703": "a table of the queue differs from schema(); compare the two",
  "42P10": "a table of the queue lacks the indexes of schema(); run its statements",
  "3F000": "the schema of the table is missing; create it first",
  "42501": "the user lacks a right; grant select, insert, update and delete on the tables of the queue",
  "25006": "this server is read-only, like a replica; connect the pool to the primary",
  "28P01": "the server does not accept the user name or the password of the pool",
  "28000": "the server does not let this user in; see its pg_hba.conf",
  "3D000": "there is no such database; create it, or name another in the pool's settings",
  "53300": "the server has no connection to spare; raise its max_connections, or give the pools a smaller max",
  "53100": "the disk of the server is full; make room",
  "57P03": "the server is starting or stopping; a worker tries again",
};

/**
 * The classes of SQLSTATE for faulty data: data exception, constraint, with check option, program limit, raised by a
 * trigger.
 */
const DATA_CLASSES: readonly string[] = ["22", "23", "44", "54", "P0"];

function codeOf(error: unknown): string {
  const code: unknown = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === "string" ? code : "";
}

/** Reports whether the server refused the data of a call, not the call itself: parts of it may be accepted. */
export function isAboutData(error: unknown): boolean {
  const code = codeOf(error);
  return code.length === 5 && DATA_CLASSES.includes(code.slice(0, 2));
}

/** An error that says what was tried, what is wrong, and what to do; the error itself if there is no advice. */
export function explained(what: string, error: unknown, caller: string = "postgresQueue"): unknown {
  const code = codeOf(error);
  const said = error instanceof Error ? error.message : String(error);
  const prefix = `${caller}: ${what}: `;
  if (ADVICE[code] !== undefined) {
    return Object.assign(new Error(`${prefix}${ADVICE[code]}. The server says: ${said}`, { cause: error }), { code });
  }
  // Node's AggregateError for a refused connection to several addresses has an empty message.
  if (said === "")
    return Object.assign(new Error(`${prefix}there is no connection: ${code}`, { cause: error }), { code });
  return error;
}
