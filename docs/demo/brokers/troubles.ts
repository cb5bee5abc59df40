/**
 * What fails between the demo and a real broker: shown while it lasts, and said once when it begins and once when it is over. The
 * worker tries again, or another caller does.
 */
import type { Context } from "headgate";
import type { Delivery, Source } from "headgate/worker";
import { say } from "../display.ts";
import { textOf } from "../secrets.ts";

/** What can fail: each is over when a call of its kind succeeds. */
type Kind = "pull" | "verdict" | "publish" | "count";

/** The calls of a source that tell it something. */
const TELLING = ["ack", "nack", "deadLetter", "extend"] as const;

export class Troubles {
  private readonly all: Map<Kind, string> = new Map();

  /** The first of them. */
  get first(): string | undefined {
    const [first] = this.all.values();
    return first;
  }

  has(kind: Kind): boolean {
    return this.all.has(kind);
  }

  async watch<T>(kind: Kind, call: () => Promise<T>): Promise<T> {
    try {
      const result = await call();
      this.over(kind);
      return result;
    } catch (error) {
      const text = `${kind}: ${textOf(error)}`;
      if (this.all.size === 0) say(`${text}; trying again`);
      this.all.set(kind, text);
      throw error;
    }
  }

  over(kind: Kind): void {
    if (this.all.delete(kind) && this.all.size === 0) say("the broker answers again");
  }

  /** A source whose calls are watched. */
  watched(source: Source<Delivery<unknown>>): Source<Delivery<unknown>> {
    const watched: Record<string, unknown> = {
      pull: (ctx: Context, max: number) => this.watch("pull", () => source.pull(ctx, max)),
    };
    if (source.lease !== undefined) watched["lease"] = source.lease;
    for (const call of TELLING) {
      const tell = source[call] as ((ctx: Context, items: readonly unknown[]) => Promise<unknown>) | undefined;
      if (tell === undefined) continue;
      watched[call] = (ctx: Context, items: readonly unknown[]) => this.watch("verdict", () => tell(ctx, items));
    }
    return watched as unknown as Source<Delivery<unknown>>;
  }
}
