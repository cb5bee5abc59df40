/**
 * Errors of RabbitMQ, with advice on what to do. The broker's own words stay in the message, and its error is the
 * `cause`.
 */

/** The error of a pull: with advice if there is some. */
export function explained(error: unknown, queue: string): Error {
  const said = error instanceof Error ? error.message : String(error);
  const advice = adviceOn(said, queue);
  if (advice === undefined) return error instanceof Error ? error : new Error(said);
  return new Error(`rabbitQueue: ${advice} (${said})`, { cause: error });
}

function adviceOn(said: string, queue: string): string | undefined {
  if (/Login was refused/.test(said)) return "the broker refuses the user or the password of the url";
  if (/exclusive use|RESOURCE.LOCKED/.test(said)) {
    return `another consumer has the queue ${queue} exclusively, so nothing can be pulled: end it, or let it consume without "exclusive"`;
  }
  if (/NOT.FOUND/.test(said))
    return `there is no queue ${queue} here: declare it first, or correct its name or the vhost of the url`;
  if (/PRECONDITION.FAILED/.test(said)) {
    return `the queue ${queue} was declared with arguments other than those of "ordered": delete it, or pass those it has`;
  }
  if (/ACCESS.REFUSED/.test(said))
    return `the user of the url may not read the queue ${queue}: give it that permission`;
  if (/ConnectionClose/.test(said))
    return "the broker has refused the connection: is the vhost of the url there, and may the user use it?";
  return undefined;
}
