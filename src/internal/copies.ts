/**
 * The copies of headgate in one process: two versions, or one that is imported and one that is bundled or required.
 * None sees what the others do, and a test kit must know that there are others. So each registers itself on the global
 * object when it is first used. It does not when it is imported, because an import has no effect.
 */
import type { Seam } from "./seam.ts";

/**
 * A copy, as the test kit of another sees it: a function that installs a seam in it, or null. Later versions must keep
 * this signature.
 */
export type Copy = (seam: Seam | null) => void;

/** The registered copies. The references are weak, so that an unused copy can be collected. */
export interface Copies extends Array<WeakRef<Copy>> {
  /** Called when another copy is used for the first time. */
  met?: ((copy: Copy) => void) | undefined;
}

const COPIES = /* @__PURE__ */ Symbol.for("headgate.copies");

/** The list on the global object; undefined if that is frozen. */
export function copies(): Copies | undefined {
  const world = globalThis as { [COPIES]?: Copies };
  if (world[COPIES] === undefined) Reflect.set(world, COPIES, []);
  return world[COPIES];
}

/** Registers a copy. */
export function register(copy: Copy): void {
  const all = copies();
  all?.push(new WeakRef(copy));
  all?.met?.(copy);
}
