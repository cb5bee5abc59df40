/**
 * A pipeline: each stage reads one channel, writes the next, and closes what it writes.
 */
// #region recipe
import { Chan, type Context, errgroup, sendAll } from "headgate";

export async function pipeline(ctx: Context, lines: Iterable<string>, put: (n: number) => void) {
  await errgroup.run(ctx, (group, ctx) => {
    const [words, lengths] = [new Chan<string>(), new Chan<number>(8)];
    void group.go(async function read() {
      await sendAll(words, lines, ctx);
      words.close();
    });
    void group.go(async function measure() {
      for await (const word of words.values(ctx)) await lengths.send(word.length, ctx);
      lengths.close();
    });
    void group.go(async function write() {
      for await (const length of lengths.values(ctx)) put(length);
    });
  });
}
// #endregion

export const prints = ["3 5 2"];

export async function demo(ctx: Context, log: (text: unknown) => void): Promise<void> {
  const lengths: number[] = [];
  await pipeline(ctx, ["one", "three", "no"], (length) => lengths.push(length));
  if (lengths.length !== 3) throw new Error("it has ended well, and left something out");
  log(lengths.join(" "));
}
