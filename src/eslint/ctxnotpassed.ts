/**
 * `ctx-not-passed`, as Go's contextcheck and noctx: where a ctx is in scope, what waits gets it.
 *
 * Four waits are left alone. In `finally` the work is ended, and the ctx often has ended, too. Elsewhere the code around may say that it has. A
 * receive from `ctx.done()` waits for the end itself. A select with such a case has it in its own way.
 */
import { is, type Listeners, nameOf, type Node, type NodeOf } from "./api.ts";
import { isWhereEnded } from "./ended.ts";
import { type File, isInFinally } from "./file.ts";
import { type Rule, rule } from "./rule.ts";

export const ctxNotPassed: Rule = /* @__PURE__ */ rule({
  name: "ctx-not-passed",
  type: "problem",
  description: "what waits gets the ctx that is in scope",
  recommended: true,
  messages: {
    missing:
      "What waits must get the ctx that is in scope: {{name}} goes on waiting after `{{ctx}}` has ended. Pass `{{ctx}}` as the last argument.",
    loop: "What waits must get the ctx that is in scope: this loop goes on waiting after `{{ctx}}` has ended. Loop over `{{name}}.values({{ctx}})`.",
  },
  create(context, file): Listeners {
    return {
      CallExpression(node: NodeOf<"CallExpression">) {
        const waiting = file.waiting(node);
        if (waiting?.ctx === undefined || node.arguments.length > waiting.ctx) return;
        if (node.arguments.some(({ type }) => type === "SpreadElement") || isInFinally(node)) return;
        if (waiting.path === "select" && mayHaveDone(file, node.arguments[0])) return;
        if (is(node.callee, "MemberExpression") && isDone(file, node.callee.object)) return;
        const ctx = file.contextAt(node, false);
        if (ctx === undefined || isWhereEnded(file, node, ctx)) return;
        context.report({ node, messageId: "missing", data: { name: waiting.text, ctx: ctx.name } });
      },
      ForOfStatement({ await: waits, right }: NodeOf<"ForOfStatement">) {
        if (!waits || file.kind(right) !== "Chan" || isDone(file, right) || isInFinally(right)) return;
        const ctx = file.contextAt(right, false);
        if (ctx === undefined || isWhereEnded(file, right, ctx)) return;
        context.report({ node: right, messageId: "loop", data: { name: file.text(right), ctx: ctx.name } });
      },
    };
  },
});

/** Whether an expression is `ctx.done()`, or a variable that is. */
export function isDone(file: File, node: Node): boolean {
  if (is(node, "CallExpression")) return is(node.callee, "MemberExpression") && nameOf(node.callee.property) === "done";
  const def = is(node, "Identifier") ? file.variable(node)?.defs[0]?.node : undefined;
  return is(def, "VariableDeclarator") && def.init !== null && is(def.init, "CallExpression") && isDone(file, def.init);
}

/** Whether one of the cases of a select is the end of a context, or may be. */
function mayHaveDone(file: File, cases: Node | undefined): boolean {
  const list = is(cases, "ObjectExpression")
    ? cases.properties
    : is(cases, "ArrayExpression")
      ? cases.elements
      : undefined;
  if (list === undefined) return true;
  return list.some((one) => {
    const value = is(one, "Property") ? one.value : one;
    return value !== null && (value.type === "SpreadElement" || isDone(file, value));
  });
}
