/**
 * `race`: nothing of headgate's in Promise.race and Promise.any. The loser is not withdrawn: it takes its value, or its lock, later, and no
 * code is there for it. A select withdraws the others.
 *
 * A wait that takes nothing, such as a sleep, may be there with a ctx, which ends it.
 */
import { is, type Listeners, nameOf, type Node, type NodeOf } from "./api.ts";
import { isDone } from "./ctxnotpassed.ts";
import type { File } from "./file.ts";
import { type Rule, rule } from "./rule.ts";

export const race: Rule = /* @__PURE__ */ rule({
  name: "race",
  type: "problem",
  description: "what waits is not in Promise.race",
  recommended: true,
  messages: {
    takes:
      "What waits must not be in Promise.{{race}}: if {{name}} loses, it still waits, and what it takes later is lost. Use `select`, or a ctx instead of the race.",
    waits:
      "What waits must not be in Promise.{{race}}: if {{name}} loses, it still waits. Use `select`, or pass a ctx that ends when the race is over.",
  },
  create(context, file): Listeners {
    return {
      CallExpression({ callee, arguments: [list] }: NodeOf<"CallExpression">) {
        if (!is(callee, "MemberExpression") || nameOf(callee.object) !== "Promise" || !is(list, "ArrayExpression"))
          return;
        const race = nameOf(callee.property);
        if (race !== "race" && race !== "any") return;
        for (const element of list.elements) {
          const waiting = element === null ? undefined : file.waiting(beginOf(file, element));
          if (waiting?.ctx === undefined) continue;
          const { call, ctx, takes, text } = waiting;
          const ofDone = is(call.callee, "MemberExpression") && isDone(file, call.callee.object);
          const isTaking = takes && !ofDone;
          if (!isTaking && call.arguments.length > ctx) continue;
          context.report({ node: element!, messageId: isTaking ? "takes" : "waits", data: { name: text, race } });
        }
      },
    };
  },
});

/** What a promise began with: without `then` and the like, and what a constant was set to. */
function beginOf(file: File, node: Node): Node {
  if (is(node, "CallExpression") && is(node.callee, "MemberExpression")) {
    const isThen = /^(then|catch|finally)$/.test(nameOf(node.callee.property) ?? "");
    return isThen ? beginOf(file, node.callee.object) : node;
  }
  const def = is(node, "Identifier") ? file.variable(node)?.defs[0]?.node : undefined;
  return is(def, "VariableDeclarator") && is(def.init, "CallExpression") ? beginOf(file, def.init) : node;
}
