/**
 * What the reader varies beside the program, its design and the stop. Each choice that is not the default is a word at the end of the
 * path: `m5` for five messages, `fails-ack`, `go` for the code in Go.
 */
import type { Path } from "../hash.ts";

/** What a scenario is varied by. */
export interface Setting {
  readonly messages: number;
  /** The operation that fails, by its id; "none": all succeed. */
  readonly fails: string;
}

export interface Choices extends Setting {
  /** The language of the code beside the stage. */
  readonly language: "ts" | "go";
}

/** The numbers of messages to choose from. */
export const COUNTS: readonly number[] = [1, 2, 3, 4, 5];

export const DEFAULTS: Choices = { messages: 3, fails: "none", language: "ts" };

export function choicesOf(words: Path): Choices {
  const count = words.find((word) => /^m\d$/.test(word))?.slice(1);
  return {
    messages: COUNTS.find((one) => String(one) === count) ?? DEFAULTS.messages,
    fails: words.find((word) => word.startsWith("fails-"))?.slice(6) ?? DEFAULTS.fails,
    language: words.includes("go") ? "go" : "ts",
  };
}

export function wordsOf({ messages, fails, language }: Choices): readonly string[] {
  return [
    ...(messages === DEFAULTS.messages ? [] : [`m${messages}`]),
    ...(fails === DEFAULTS.fails ? [] : [`fails-${fails}`]),
    ...(language === DEFAULTS.language ? [] : [language]),
  ];
}

/** Makes the story of a setting once, so that its recordings are kept. */
export function kept<S>(make: (setting: Setting) => S): (setting: Setting) => S {
  const made: Map<string, S> = new Map();
  return (setting) => {
    const key = `${setting.messages} ${setting.fails}`;
    const story = made.get(key) ?? make(setting);
    made.set(key, story);
    return story;
  };
}
