/**
 * What the errors of Google's client say, in words: each has a number, the status of gRPC, and a text of the server's that may be empty.
 */

/** The status of a call that was not answered in its time, as a pull is not when there is no message. */
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

/** The call was not answered in its time. */
export function isTimeout(error: unknown): boolean {
  return statusOf(error) === DEADLINE_EXCEEDED;
}

/** The server has read the request, and will not take it, however often it is made. */
export function isRefused(error: unknown): boolean {
  const status = statusOf(error);
  // The other one stands for a quota, too, which is another day's matter.
  return status === INVALID_ARGUMENT || (status === RESOURCE_EXHAUSTED && /larger than max/.test(String(error)));
}

/** Whether the server is there: it has said something, if only that it refuses. */
export function isAnswer(error: unknown): boolean {
  const status = statusOf(error);
  return typeof status === "number" && status !== DEADLINE_EXCEEDED && status !== UNAVAILABLE && status > 1;
}

/** What a call is about, by its full name. */
export type About = { readonly subscription: string } | { readonly topic: string };

/**
 * An error that says what is wrong and what to do, with the client's as its cause and its status as `code`; or the client's own, where that
 * says no less.
 */
export function explained(error: unknown, about: About): unknown {
  const [kind, name] = Object.entries(about)[0] as [string, string];
  const role = kind === "topic" ? "roles/pubsub.publisher" : "roles/pubsub.subscriber";
  const words: Record<number, string> = {
    [DEADLINE_EXCEEDED]: `the server has not answered in time, for the ${kind} ${name}; is it there, and does the connection let anything through?`,
    [NOT_FOUND]: `there is no ${kind} ${name}; make it, or correct its name`,
    [PERMISSION_DENIED]: `the ${kind} ${name} may not be used with these credentials; give them ${role}`,
    [UNAUTHENTICATED]: `the server does not take the credentials; look at those of the client (for ${name})`,
    [FAILED_PRECONDITION]: `the ${kind} ${name} cannot be used so; is it a pull subscription, and attached to its topic?`,
  };
  const status = statusOf(error);
  const text = typeof status === "number" ? words[status] : undefined;
  if (text === undefined) return error;
  const said = (error as { details?: unknown; message?: unknown }).details || (error as Error).message;
  return Object.assign(new Error(`pubsubSubscription: ${text}: ${String(said)}`, { cause: error }), { code: status });
}
