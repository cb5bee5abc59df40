/** A file without headgate, with the same words in it. */
import { Chan, context, errgroup } from "@example/headgate";

export async function work(ctx: { err(): unknown }, ch: Chan) {
  const [derived] = context.withCancel(ctx);
  await ch.recv();
  ch.send(1);
  const group = new errgroup.Group();
  void group.go(() => Promise.race([ch.recv(), derived]));
}
