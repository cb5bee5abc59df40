/**
 * Dead letters of Pub/Sub.
 *
 * Pub/Sub accepts 100 attributes, names of 256 bytes, values of 1,024 and 10 MB in all, in text that UTF-8 can encode.
 * A dead letter is a message that it has accepted, with attributes of ours. So a smaller form is always possible: the
 * last one is the message by itself.
 */
import { decodeText } from "../message.ts";
import { reasonOf, wellFormed } from "../reason.ts";
import { bytesOf } from "./client.ts";
import type { PubsubDelivery, PubsubLetter } from "./types.ts";

/** The most attributes of a message, without those that we add. */
const MAX_KEPT_ATTRIBUTES = 100 - 4;
/** The most bytes of the value of an attribute. */
const MAX_VALUE_BYTES = 1_024;

const encoder: TextEncoder = /* @__PURE__ */ new TextEncoder();

/** The forms of a dead letter, the fullest first. The next one is for a server that has refused the last. */
export function deadLetterForms(
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
  const theirs = Object.fromEntries(kept.slice(0, MAX_KEPT_ATTRIBUTES));
  const forms = [{ ...theirs, ...reason, ...ours }, { ...theirs, ...ours }, { ...reason, ...ours }, ours, {}];
  return forms.map((attributes) => ({ data, orderingKey: wellFormed(key ?? ""), attributes: fitting(attributes) }));
}

function fitting(attributes: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [wellFormed(name), cut(value)]));
}

/** The start of a text that fits into the value of an attribute, in whole characters. */
function cut(text: string): string {
  const bytes = new Uint8Array(MAX_VALUE_BYTES);
  return decodeText(bytes.subarray(0, encoder.encodeInto(text, bytes).written));
}
