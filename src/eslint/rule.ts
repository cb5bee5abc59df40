/**
 * The form of a rule, and the one way to make it.
 */
import type { Listeners, RuleContext } from "./api.ts";
import { File } from "./file.ts";

/** A rule, as ESLint and oxlint take it. */
export interface Rule {
  /** What the linter shows of it. */
  readonly meta: RuleMeta;
  /** Called by the linter for each file: returns what the rule looks at. */
  create(context: any): Record<string, (...args: any[]) => void>;
}

/** What a linter shows of a rule. */
export interface RuleMeta {
  /** "problem": the code is wrong; "suggestion": it could be better. */
  readonly type: "problem" | "suggestion";
  /** What the rule demands, and the address of its section in docs/lint.md. */
  readonly docs: { readonly description: string; readonly url: string; readonly recommended: boolean };
  /** No rule has options. */
  readonly schema: [];
  /** The texts of its reports. */
  readonly messages: Record<string, string>;
}

interface Parts<Message extends string> {
  readonly name: string;
  readonly type: RuleMeta["type"];
  /** The rule as a sentence. */
  readonly description: string;
  /** `configs.recommended` has it. */
  readonly recommended: boolean;
  readonly messages: Record<Message, string>;
  readonly create: (context: RuleContext, file: File) => Listeners;
}

/** Makes a rule. A file that does not import headgate is not looked at. */
export function rule<Message extends string>(parts: Parts<Message>): Rule {
  const { name, type, description, recommended, messages, create } = parts;
  return {
    meta: {
      type,
      docs: { description, url: `https://unpkg.com/headgate/docs/lint.md#${name}`, recommended },
      schema: [],
      messages,
    },
    create(context: RuleContext) {
      const file = new File(context);
      return file.usesHeadgate ? create(context, file) : {};
    },
  };
}
