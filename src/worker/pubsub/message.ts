/**
 * Dead letters of Pub/Sub: what the source of pubsub.ts publishes of a message that is dead.
 *
 * Pub/Sub takes 100 attributes, names of 256 bytes, values of 1,024 and 10 MB in all; and text that UTF-8 can write. A letter is a message
 * that it has taken already and something more, so there is always a smaller form of it: the last one is the message by itself.
 */
import type { PubsubDelivery } from "./index.ts";
import { bytesOf, type PubsubLetter } from "./client.ts";
import { decodeText } from "../message.ts";
import { reasonOf, wellFormed } from "../reason.ts";

/** Attributes that a message may have, but for those that we add. */
const ATTRIBUTES = 100 - 4;
/** Bytes of the value of an attribute. */
const LONGEST = 1_024;

const encoder: TextEncoder = /* @__PURE__ */ new TextEncoder();

/** The letter in its forms, the fullest first: the next one is for a server that has refused the last. */
export function lettersOf(
  { body, attempt, attributes, key, message }: PubsubDelivery<string | Uint8Array>,
  error: unknown,
  subscription: string,
): readonly PubsubLetter[] {
  const data = typeof body === "string" ? bytesOf(message) : body;
  const reason = { "headgate-reason": reasonOf(error) };
  const ours = {
    "headgate-attempts": String(attempt),
    "headgate-subscription": subscription,
    "headgate-message-id": message.messageId ?? "",
  };
  const kept = Object.entries(attributes).filter(([name]) => !name.startsWith("goog"));
  const theirs = Object.fromEntries(kept.slice(0, ATTRIBUTES));
  const forms = [{ ...theirs, ...reason, ...ours }, { ...theirs, ...ours }, { ...reason, ...ours }, ours, {}];
  return forms.map((attributes) => ({ data, orderingKey: wellFormed(key ?? ""), attributes: fitting(attributes) }));
}

function fitting(attributes: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [wellFormed(name), cut(value)]));
}

/** As much of it as the value of an attribute may be long, in whole characters. */
function cut(text: string): string {
  const bytes = new Uint8Array(LONGEST);
  return decodeText(bytes.subarray(0, encoder.encodeInto(text, bytes).written));
}
