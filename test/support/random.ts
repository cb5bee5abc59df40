/**
 * Chance out of a seed: the same seed, the same numbers. The generator is mulberry32.
 */

/** Random numbers from 0 to 1, without 1. */
export function generator(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Random whole numbers: `roll(n)` is from 0 to n − 1. */
export function dice(seed: number): (n: number) => number {
  const random = generator(seed);
  return (n) => Math.floor(random() * n);
}
