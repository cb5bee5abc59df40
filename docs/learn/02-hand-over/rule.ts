/** The rule of chapter 2: it ends. The kit fails a test whose tasks wait for each other for ever. */
import type { Bubble } from "headgate/testing";

export const ends =
  (handOver: (log: (line: string) => void) => Promise<void>) =>
  async (_t: Bubble): Promise<void> =>
    handOver(() => {});
