/**
 * `background`, as Go's contextcheck: a function that has a ctx derives from it. A default, such as `ctx ?? context.background()`, is none.
 *
 * It only warns: work that must outlive its caller has its reasons. Then context.withoutCancel keeps at least the values.
 */
import { is, type Listeners, type NodeOf } from "./api.ts";
import { type Rule, rule } from "./rule.ts";

export const background: Rule = /* @__PURE__ */ rule({
  name: "background",
  type: "suggestion",
  description: "a function that has a ctx derives from it",
  recommended: true,
  messages: {
    background:
      "A function that has a ctx derives from it: what {{name}}() begins does not end with `{{ctx}}`. Use `{{ctx}}`, or context.withoutCancel({{ctx}}) to outlive it.",
  },
  create(context, file): Listeners {
    return {
      CallExpression(node: NodeOf<"CallExpression">) {
        const path = file.callee(node);
        if (path !== "context.background" && path !== "context.todo") return;
        if (is(node.parent, "LogicalExpression", "ConditionalExpression", "AssignmentPattern")) return;
        const ctx = file.contextAt(node, true);
        if (ctx === undefined) return;
        context.report({ node, messageId: "background", data: { name: file.text(node.callee), ctx: ctx.name } });
      },
    };
  },
});
