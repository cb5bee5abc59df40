/**
 * The body and the ordering key of a message, for the sources whose client hands over bytes.
 */

/** Without this option the decoder drops a byte order mark, which is a part of the text. */
const decoder: TextDecoder = /* @__PURE__ */ new TextDecoder("utf-8", { ignoreBOM: true });

/** The text of these bytes of UTF-8. Each byte that is no UTF-8 becomes U+FFFD. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/**
 * The ordering key that the option `key` of a source finds in a message: none if it throws. A message that the option
 * cannot read is handled without a key, so that the handler gets to see it.
 */
export function keyOf<M>(message: M, key: ((message: M) => string | undefined) | undefined): string | undefined {
  try {
    return key?.(message);
  } catch {
    return undefined;
  }
}
