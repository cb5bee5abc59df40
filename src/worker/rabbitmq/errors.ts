/** Errors of RabbitMQ, in words that say what to do. What the broker said is in them, and is the `cause`. */

/** What cannot be consumed from, and why. */
export function explained(error: unknown, queue: string): Error {
  const said = error instanceof Error ? error.message : String(error);
  const advice = adviceOn(said, queue);
  if (advice === undefined) return error instanceof Error ? error : new Error(said);
  return new Error(`rabbitQueue: ${advice} (${said})`, { cause: error });
}

function adviceOn(said: string, queue: string): string | undefined {
  if (/Login was refused/.test(said)) return "the broker refuses the user or the password of the url";
  if (/exclusive use|RESOURCE.LOCKED/.test(said)) {
    return `somebody else has the queue ${queue} to himself, so nothing can be pulled: end that consumer, or let it consume without "exclusive"`;
  }
  if (/NOT.FOUND/.test(said))
    return `there is no queue ${queue} here: declare it first, or mend its name or the vhost of the url`;
  if (/PRECONDITION.FAILED/.test(said)) {
    return `the queue ${queue} was declared with other arguments than those of "ordered": delete it, or give those it has`;
  }
  if (/ACCESS.REFUSED/.test(said))
    return `the user of the url may not read the queue ${queue}: give it that permission`;
  if (/ConnectionClose/.test(said))
    return "the broker has refused the connection: is the vhost of the url there, and may the user use it?";
  return undefined;
}
