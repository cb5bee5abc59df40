/**
 * `lock-guard`: a lock is given back whatever happens. `lock` resolves to a guard for `using`; without it there is a `finally` that unlocks.
 *
 * A semaphore is not looked at: its units are often given back by another task.
 */
import { is, isFunction, type Listeners, nameOf, type Node, type NodeOf } from "./api.ts";
import { isInside, type Waiting } from "./file.ts";
import { unlockOf } from "./names.ts";
import { type Rule, rule } from "./rule.ts";

const UNLOCKS: ReadonlySet<string> = /* @__PURE__ */ new Set(["unlock", "rUnlock"]);

/** An `unlock` in a `finally`. */
interface Unlock {
  readonly text: string;
  readonly attempt: Node;
}

export const lockGuard: Rule = /* @__PURE__ */ rule({
  name: "lock-guard",
  type: "problem",
  description: "a lock is given back whatever happens",
  recommended: true,
  messages: {
    dropped:
      "A lock must be given back whatever happens: the guard of {{name}} is dropped, and no `finally` unlocks. Write `using _ = await {{name}}(…);`.",
    unused:
      "A lock must be given back whatever happens: `{{guard}}`, the guard of {{name}}, is never used. Declare it with `using`.",
  },
  create(context, file): Listeners {
    const dropped: { readonly node: Node; readonly waiting: Waiting; readonly guard: string | undefined }[] = [];
    const unlocks: Unlock[] = [];
    return {
      AwaitExpression(node: NodeOf<"AwaitExpression">) {
        const waiting = file.waiting(node.argument);
        if (waiting === undefined || unlockOf(waiting.path) === undefined) return;
        const { parent } = node;
        if (is(parent, "ExpressionStatement")) dropped.push({ node, waiting, guard: undefined });
        if (!is(parent, "VariableDeclarator") || !is(parent.id, "Identifier") || isUsing(parent)) return;
        const isUsed = file.variable(parent.id)?.references.some((reference) => reference.isRead());
        if (isUsed === false) dropped.push({ node, waiting, guard: parent.id.name });
      },
      CallExpression({ callee, parent }: NodeOf<"CallExpression">) {
        if (!is(callee, "MemberExpression") || !UNLOCKS.has(nameOf(callee.property) ?? "")) return;
        const attempt = finallyAround(parent);
        if (attempt !== undefined) unlocks.push({ text: file.text(callee), attempt });
      },
      "Program:exit"() {
        for (const { node, waiting, guard } of dropped) {
          const owner = functionAround(node);
          const { callee } = waiting.call;
          const lock = is(callee, "MemberExpression") ? file.text(callee.object) : "";
          const needed = `${lock}.${unlockOf(waiting.path)}`;
          const isGivenBack = unlocks.some(
            ({ text, attempt }) =>
              text === needed &&
              attempt.range[1] > node.range[1] &&
              (owner === undefined || isInside(attempt, owner)) &&
              functionAround(attempt) === owner,
          );
          if (isGivenBack) continue;
          const data = { name: waiting.text, ...(guard === undefined ? {} : { guard }) };
          context.report({ node, messageId: guard === undefined ? "dropped" : "unused", data });
        }
      },
    };
  },
});

function isUsing({ parent }: Node): boolean {
  return is(parent, "VariableDeclaration") && parent.kind.endsWith("using");
}

function functionAround(node: Node): Node | undefined {
  for (let at = node.parent; at !== null && at !== undefined; at = at.parent) if (isFunction(at)) return at;
  return undefined;
}

/** The statement in whose `finally` a node is. */
function finallyAround(node: Node | null | undefined): Node | undefined {
  for (let at = node; at !== null && at !== undefined; at = at.parent) {
    if (is(at.parent, "TryStatement") && at.parent.finalizer === at) return at.parent;
  }
  return undefined;
}
