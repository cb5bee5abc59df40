/**
 * Errors of Google's client, with advice on what to do. Each has a `code`, the status of gRPC, and a text of the
 * server's that may be empty.
 */

/** The call was not answered in its time. So ends a pull if there is no message. */
const DEADLINE_EXCEEDED = 4;
const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

function statusOf(error: unknown): unknown {
  return (error as { code?: unknown } | null | undefined)?.code;
}

/** Reports whether a call was not answered in its time. */
export function isTimeout(error: unknown): boolean {
  return statusOf(error) === DEADLINE_EXCEEDED;
}

/** Reports whether the server will refuse this request however often it is made. */
export function isRefused(error: unknown): boolean {
  const status = statusOf(error);
  // RESOURCE_EXHAUSTED also stands for a quota, and then a later request may succeed.
  return status === INVALID_ARGUMENT || (status === RESOURCE_EXHAUSTED && /larger than max/.test(String(error)));
}

/** Reports whether an error shows that the server is there: it is an answer, if only a refusal. */
export function isAnswer(error: unknown): boolean {
  const status = statusOf(error);
  return typeof status === "number" && status !== DEADLINE_EXCEEDED && status !== UNAVAILABLE && status > 1;
}

/** The full name of what a call is about. */
export type About = { readonly subscription: string } | { readonly topic: string };

/**
 * An error that says what is wrong and what to do, with the client's as its `cause` and its status as `code`. If there
 * is no advice, the client's own.
 */
export function explained(error: unknown, about: About): unknown {
  const [kind, name] = Object.entries(about)[0] as [string, string];
  const role = kind === "topic" ? "roles/pubsub.publisher" : "roles/pubsub.subscriber";
  const advice: Record<number, string> = {
    [DEADLINE_EXCEEDED]: `the server has not answered in time, for the ${kind} ${name}; is it there, and does the connection let anything through?`,
    [NOT_FOUND]: `there is no ${kind} ${name}; create it, or correct its name`,
    [PERMISSION_DENIED]: `the ${kind} ${name} may not be used with these credentials; give them ${role}`,
    [UNAUTHENTICATED]: `the server does not accept the credentials of the client, for the ${kind} ${name}; check them`,
    [FAILED_PRECONDITION]: `the ${kind} ${name} cannot be used like this; is it a pull subscription, and attached to its topic?`,
  };
  const status = statusOf(error);
  const text = typeof status === "number" ? advice[status] : undefined;
  if (text === undefined) return error;
  const said = (error as { details?: unknown; message?: unknown }).details || (error as Error).message;
  return Object.assign(new Error(`pubsubSubscription: ${text}: ${String(said)}`, { cause: error }), { code: status });
}
