/**
 * `node:assert` for the browser: as much of it as the catalogue of bugs uses.
 */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

export function strict(isTrue: unknown, message: string): asserts isTrue {
  if (isTrue !== true && !isTrue) throw new AssertionError(message);
}
