/**
 * The copies of headgate in one process: two versions, or one that is imported and one that is bundled or required. Each knows nothing of
 * what the others do, and a test kit has to know that there are others. So each makes itself known to the world when it is first used;
 * not before, for an import has no effect.
 */
import type { Seam } from "./seam.ts";

/** A copy, as the test kit of another sees it: has it ask this seam about everything it does; null: none. Versions to come must do the same. */
export type Copy = (seam: Seam | null) => void;

/** Those that are known to the world. No copy is kept alive that nobody uses any more. */
export interface Copies extends Array<WeakRef<Copy>> {
  /** Called when another is used for the first time. */
  met?: ((copy: Copy) => void) | undefined;
}

const COPIES = /* @__PURE__ */ Symbol.for("headgate.copies");

/** undefined in a world that takes nothing. */
export function copies(): Copies | undefined {
  const world = globalThis as { [COPIES]?: Copies };
  if (world[COPIES] === undefined) Reflect.set(world, COPIES, []);
  return world[COPIES];
}

/** Makes a copy known. */
export function join(copy: Copy): void {
  const all = copies();
  all?.push(new WeakRef(copy));
  all?.met?.(copy);
}
