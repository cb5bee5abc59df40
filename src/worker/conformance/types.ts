/** The public types of `headgate/worker/conformance`. */
import type { Delivery, Source } from "../source.ts";

/** One fresh, empty queue, for one case. */
export interface Lab<D extends Delivery<string> = Delivery<string>> {
  /** A worker's view of the queue. It must hand over 250 messages without a verdict. */
  readonly source: Source<D>;
  /** A second consumer of the same queue, as another process would have it. */
  readonly other: Source<D>;
  /** Publishes in this order. Resolves when the broker has all of them. */
  readonly publish: (
    bodies: readonly string[],
    options?: { readonly key?: string; readonly attributes?: Readonly<Record<string, string>> },
  ) => Promise<void>;
  /**
   * The dead letters so far. A case calls it until they are all there, and never if `traits.deadLetters` is false. Letters without
   * `attributes` are not asked for those of their messages.
   */
  readonly deadLetters: () => Promise<
    readonly {
      readonly body: string;
      readonly reason: string;
      readonly attributes?: Readonly<Record<string, unknown>> | null;
    }[]
  >;
  /** The number of unsettled messages, if the broker can tell. A case calls it until the number is right. */
  readonly size?: () => Promise<number>;
  /** Called once, after the case, whether it passed or not. */
  readonly close: () => Promise<void>;
}

/** The abilities of the broker. The cases that need more are skipped, and name the reason. */
export interface Traits {
  /**
   * Duration of a lease in the lab, in ms; `Infinity` if a delivery is held until the connection ends. Messages that
   * come back are expected well before that, so a short lease makes a busy machine look like a fault: 2 000 is a good
   * choice.
   */
  readonly lease: number;
  /** A verdict after a lost lease is reported, and does not touch the next holder's delivery. */
  readonly fenced: boolean;
  /** A nack honours its delay. */
  readonly delayed: boolean;
  /** Deliveries carry the count of their attempts. */
  readonly attempts: boolean;
  /**
   * A release costs no attempt. If false, it costs one, and so does a message that a consumer was sent and never handed
   * over.
   */
  readonly releaseIsFree: boolean;
  /** The source has `deadLetter`. */
  readonly deadLetters: boolean;
  /** Messages can have an ordering key. */
  readonly keys: boolean;
  /** Messages can have attributes. */
  readonly attributes: boolean;
  /** A single consumer gets the messages in the order of publishing. */
  readonly ordered: boolean;
  /**
   * Time limit for anything that should happen at once, in ms.
   *
   * @default 5_000
   */
  readonly patience?: number;
  /**
   * Time limit for a call to settle after the end of its ctx, in ms.
   *
   * @default 2_000
   */
  readonly soon?: number;
}

/** One rule of the contract. */
export interface Case {
  /** The rule, as a sentence. */
  readonly name: string;
  /** The reason why the rule does not apply to this broker. If there is one, `run` rejects. */
  readonly skip?: string;
  /** Rejects with an Error that names the rule, and what was seen instead. */
  readonly run: () => Promise<void>;
}
