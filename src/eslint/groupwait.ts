/**
 * `group-wait`: a group whose tasks are started is waited for. Without `wait` the errors of its tasks are seen by no code, and its context
 * stays with its parent.
 *
 * A group that the code hands on, returns or keeps is not looked at.
 */
import { is, type Listeners, nameOf, type NodeOf } from "./api.ts";
import { type Rule, rule } from "./rule.ts";

export const groupWait: Rule = /* @__PURE__ */ rule({
  name: "group-wait",
  type: "problem",
  description: "a group of tasks is waited for",
  recommended: true,
  messages: {
    missing:
      "A group of tasks must be waited for: no code calls `{{name}}.wait()`, and the errors of its tasks are lost. Await it, or use errgroup.run.",
  },
  create(context, file): Listeners {
    return {
      VariableDeclarator({ id }: NodeOf<"VariableDeclarator">) {
        const name = is(id, "ArrayPattern") ? id.elements[0] : id;
        if (!is(name, "Identifier") || file.kind(name) !== "Group") return;
        const called = new Set<string | undefined>();
        for (const { identifier } of file.variable(name)?.references ?? []) {
          const { parent } = identifier;
          const isObject = is(parent, "MemberExpression") && parent.object === identifier && !parent.computed;
          if (isObject) called.add(nameOf(parent.property));
          else if (identifier !== name) return;
        }
        const starts = called.has("go") || called.has("tryGo");
        if (starts && !called.has("wait"))
          context.report({ node: name, messageId: "missing", data: { name: name.name } });
      },
    };
  },
});
