/**
 * `ctx-in-class`, as Go's containedctx: a context is passed, and not kept in an object, which may outlive the call.
 *
 * It is off by default. An object that lives as long as one call, such as the state of a run, may keep its ctx.
 */
import { is, type Listeners, nameOf, type Node, type NodeOf } from "./api.ts";
import { type Rule, rule } from "./rule.ts";

export const ctxInClass: Rule = /* @__PURE__ */ rule({
  name: "ctx-in-class",
  type: "suggestion",
  description: "a context is passed, and not kept in an object",
  recommended: false,
  messages: {
    kept: "A context is passed, and not kept in an object: `{{name}}` may outlive the call that its ctx belongs to. Pass the ctx to the methods that need it.",
  },
  create(context, file): Listeners {
    const report = (node: Node, name: string | undefined): void =>
      context.report({ node, messageId: "kept", data: { name: name ?? "a field" } });
    return {
      PropertyDefinition(node: NodeOf<"PropertyDefinition">) {
        if ((file.annotated(node.typeAnnotation) ?? file.kind(node.value)) === "Context")
          report(node, nameOf(node.key));
      },
      TSParameterProperty({ parameter }: NodeOf<"TSParameterProperty">) {
        const field = is(parameter, "AssignmentPattern") ? parameter.left : parameter;
        if (is(field, "Identifier") && file.annotated(field.typeAnnotation) === "Context") report(field, field.name);
      },
      // JavaScript's fields have no types.
      AssignmentExpression({ left, right }: NodeOf<"AssignmentExpression">) {
        if (!is(left, "MemberExpression") || !is(left.object, "ThisExpression")) return;
        if (file.kind(left) === undefined && file.kind(right) === "Context") report(left, nameOf(left.property));
      },
    };
  },
});
