/** What may be shown of a url, and of an error: no password, nor what could be one. */

/** A url without user, password and options. */
export function shown({ protocol, host, pathname }: URL): string {
  return host === "" ? `${protocol}${pathname}` : `${protocol}//${host}${pathname}`;
}

/** What an error says, in one line. */
export function textOf(error: unknown): string {
  const { message, code, errors, cause } = Object(error) as Partial<AggregateError> & { readonly code?: unknown };
  // A host with several addresses has an error for each of them, and none that says something.
  const text = String(message || errors?.map(textOf).join(", ") || code || error);
  const because = cause === undefined ? "" : `: ${textOf(cause)}`;
  return withoutSecrets(text.replaceAll(/\s+/g, " ").trim()) + because;
}

/** Whatever looks like a url loses its user and password. */
export function withoutSecrets(text: string): string {
  return text.replaceAll(/([a-z]+:\/\/)[^\s'"]*@/gi, "$1");
}
