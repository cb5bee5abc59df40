/**
 * `floating`: what waits is awaited. A send that is not slows nothing down, its error is an unhandled rejection, and a lock that is not
 * awaited locks nothing.
 *
 * `void` says that it is meant so, with two exceptions: a lock, and `go` of a group with a limit, in which awaiting it is what holds the
 * caller back. Without a limit, `go` need not be awaited.
 */
import { is, type Listeners, nameOf, type Node, type NodeOf } from "./api.ts";
import type { File } from "./file.ts";
import { unlockOf } from "./names.ts";
import { type Rule, rule } from "./rule.ts";

export const floating: Rule = /* @__PURE__ */ rule({
  name: "floating",
  type: "problem",
  description: "what waits is awaited",
  recommended: true,
  messages: {
    floating:
      "What waits must be awaited: the end and the error of {{name}} are lost. Await it, or write `void` if that is meant.",
    lock: "What waits must be awaited: after {{name}} the code goes on without holding it. Write `using _ = await {{name}}(…);`.",
    limit: "What waits must be awaited: with a limit, {{name}} holds its caller back only if it is awaited. Await it.",
  },
  create(context, file): Listeners {
    return {
      ExpressionStatement({ expression }: NodeOf<"ExpressionStatement">) {
        for (const { node, isVoid } of resultsOf(expression, false)) {
          if (isLimitedGo(file, node)) {
            context.report({ node, messageId: "limit", data: { name: file.text(node.callee) } });
            continue;
          }
          const waiting = file.waiting(node);
          if (waiting === undefined || waiting.path === "Chan.values") continue;
          const isLock = unlockOf(waiting.path) !== undefined || waiting.path === "Semaphore.acquire";
          if (!isLock && isVoid) continue;
          context.report({ node, messageId: isLock ? "lock" : "floating", data: { name: waiting.text } });
        }
      },
    };
  },
});

/** The calls whose results an expression drops. */
function resultsOf(node: Node, isVoid: boolean): { node: NodeOf<"CallExpression">; isVoid: boolean }[] {
  if (is(node, "ChainExpression")) return resultsOf(node.expression, isVoid);
  if (is(node, "UnaryExpression")) return node.operator === "void" ? resultsOf(node.argument, true) : [];
  if (is(node, "LogicalExpression")) return resultsOf(node.right, isVoid);
  if (is(node, "ConditionalExpression")) {
    return [...resultsOf(node.consequent, isVoid), ...resultsOf(node.alternate, isVoid)];
  }
  if (!is(node, "CallExpression")) return [];
  const each = resultOfEach(node);
  return each === undefined ? [{ node, isVoid }] : resultsOf(each, isVoid);
}

/** What `items.map((item) => …)` makes of each item. */
function resultOfEach({ callee, arguments: [fn] }: NodeOf<"CallExpression">): Node | undefined {
  if (!is(callee, "MemberExpression") || !EACH.has(nameOf(callee.property) ?? "")) return undefined;
  return is(fn, "ArrowFunctionExpression") && !is(fn.body, "BlockStatement") ? fn.body : undefined;
}

const EACH: ReadonlySet<string> = /* @__PURE__ */ new Set(["flatMap", "forEach", "map"]);

/** Whether a call is `go` of a group that the file gives a limit. */
function isLimitedGo(file: File, call: NodeOf<"CallExpression">): boolean {
  if (file.callee(call) !== "Group.go" || !is(call.callee, "MemberExpression")) return false;
  const uses = file.variable(call.callee.object)?.references ?? [];
  return uses.some(
    ({ identifier: { parent } }) => is(parent, "MemberExpression") && nameOf(parent.property) === "setLimit",
  );
}
