/**
 * Chance that can be had again: the same seed and the same names give the same number, in whatever order they are asked for.
 */

/** From 0 up to, but without, 1. */
export function chance(seed: number, ...names: readonly (string | number)[]): number {
  let hash = 0x811c9dc5; // FNV-1a, and then the finish of murmur3
  for (const char of [seed, ...names].join(" ")) hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
