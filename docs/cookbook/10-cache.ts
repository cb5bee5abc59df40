/**
 * A cache that loads each key once, however many callers ask.
 */
// #region recipe
import { type Context, singleflight, time } from "headgate";

type Load<K, V> = (ctx: Context, key: K) => Promise<V>;

/** A load has the context of the cache, `life`: it must not end with one of its callers. */
export function cached<K, V>(life: Context, ms: number, load: Load<K, V>) {
  const kept = new Map<K, { readonly value: V; readonly until: number }>();
  const loads = new singleflight.Group<K, V>();
  return async (ctx: Context, key: K): Promise<V> => {
    const hit = kept.get(key);
    if (hit !== undefined && time.now() < hit.until) return hit.value;
    const fresh = async () => {
      const value = await load(life, key);
      kept.set(key, { value, until: time.now() + ms });
      return value;
    };
    return (await loads.do(key, fresh, ctx)).value;
  };
}
// #endregion

import { context, errgroup } from "headgate";

export const prints = ["user 7, user 7, 1 load", "2 loads"];

export async function demo(ctx: Context, log: (text: unknown) => void): Promise<void> {
  const [life, close] = context.withCancel(context.withoutCancel(ctx));
  using _ = close;
  let loads = 0;
  const user = cached(life, 1_000, async (ctx, id: number) => {
    loads++;
    await time.sleep(10, ctx);
    return `user ${id}`;
  });
  const users: string[] = [];
  await errgroup.run(ctx, (group, ctx) => {
    for (const _ of [1, 2]) void group.go(async () => users.push(await user(ctx, 7)));
  });
  if (loads !== 1) throw new Error("both have loaded");
  log(`${users.join(", ")}, ${loads} load`);
  await time.sleep(1_000, ctx);
  await user(ctx, 7);
  log(`${loads} loads`);
}
