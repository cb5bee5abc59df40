/** Why a message was given up, in a line that a header can hold. */

/** A handler may throw anything, also what cannot be shown: its message is to be put aside all the same. */
export function reasonOf(error: unknown): string {
  return describe(error).replaceAll(/\s+/g, " ").slice(0, 1_000);
}

function describe(error: unknown): string {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  } catch {
    return "an error that cannot be shown";
  }
}
