/**
 * Where a context has ended, as far as the code around says so: a wait there must not end with it.
 *
 * - It stays ended. So all code that is reached only afterwards counts, also that of a function that is made there.
 * - The end of any context counts, because that of a parent is the end of what is derived from it. But a context that is made afterwards
 *   has not ended.
 */
import { is, nameOf, type Node, type NodeOf, type Variable } from "./api.ts";
import { type File, isInside } from "./file.ts";

/** Whether a node is reached only when `ctx` has ended. */
export function isWhereEnded(file: File, node: Node, { defs }: Variable): boolean {
  const made = defs[0]!.name;
  for (let at = node; at.parent !== null && at.parent !== undefined; at = at.parent) {
    const { parent } = at;
    // A declared function may be called before its line is reached.
    if (is(at, "FunctionDeclaration") || isInside(made, at)) return false;
    if (is(parent, "IfStatement", "ConditionalExpression")) {
      if (at === parent.consequent && says(file, parent.test, true)) return true;
      if (at === parent.alternate && says(file, parent.test, false)) return true;
    } else if (is(parent, "LogicalExpression")) {
      if (at === parent.right && parent.operator !== "??" && says(file, parent.left, parent.operator === "&&")) {
        return true;
      }
    } else if (is(parent, "BlockStatement", "SwitchCase")) {
      const list = is(parent, "BlockStatement") ? parent.body : parent.consequent;
      const before = list.slice(0, list.indexOf(at)).filter(({ range }) => range[0] > made.range[0]);
      if (before.some((statement) => endsWith(file, statement))) return true;
    }
  }
  return false;
}

/** Whether what follows a statement is reached only when a context has ended. */
function endsWith(file: File, statement: Node): boolean {
  if (is(statement, "ExpressionStatement")) return isEndAwaited(statement.expression);
  if (is(statement, "IfStatement")) return says(file, statement.test, false) && leaves(statement.consequent);
  return is(statement, "WhileStatement") && says(file, statement.test, false) && !hasBreak(file, statement.body);
}

/** `await ctx.done().recv()` */
function isEndAwaited(node: Node): boolean {
  const recv = is(node, "AwaitExpression") && is(node.argument, "CallExpression") ? node.argument.callee : undefined;
  if (!is(recv, "MemberExpression") || nameOf(recv.property) !== "recv") return false;
  const done = is(recv.object, "CallExpression") ? recv.object.callee : undefined;
  return is(done, "MemberExpression") && nameOf(done.property) === "done";
}

/** Whether no code runs after a statement, in its block. */
function leaves(node: Node): boolean {
  const last = is(node, "BlockStatement") ? node.body.at(-1) : node;
  return is(last, "BreakStatement", "ContinueStatement", "ReturnStatement", "ThrowStatement");
}

/** Whether a loop may be left by a `break`. Its text is asked: a word too many only leaves a report in place. */
const hasBreak = (file: File, body: Node): boolean => /\bbreak\b/.test(file.text(body));

/** Whether a condition with this outcome says that a context has ended. */
function says(file: File, test: Node, outcome: boolean): boolean {
  if (is(test, "UnaryExpression")) return test.operator === "!" && says(file, test.argument, !outcome);
  if (is(test, "LogicalExpression")) {
    if (test.operator === "??") return false;
    const parts = [says(file, test.left, outcome), says(file, test.right, outcome)];
    // `a && b` is true if both are, and false if one is.
    return (test.operator === "&&") === outcome ? parts.includes(true) : !parts.includes(false);
  }
  if (is(test, "BinaryExpression")) return compares(file, test, outcome);
  return outcome && isEnd(file, test);
}

/** Of `ctx.err() !== undefined`, `ctx.err() === context.Canceled` and the like. */
function compares(file: File, { operator, left, right }: NodeOf<"BinaryExpression">, outcome: boolean): boolean {
  if (!isEnd(file, left)) return false;
  if (operator === "instanceof") return outcome;
  const isNothing = nameOf(right) === "undefined" || (is(right, "Literal") && right.value === null);
  if (operator === "===" || operator === "==") return outcome !== isNothing;
  return (operator === "!==" || operator === "!=") && outcome === isNothing;
}

/** `ctx.err()`, `context.cause(ctx)`, `ctx.signal.aborted`, or a constant that is one of them: nothing before the end. */
function isEnd(file: File, node: Node): boolean {
  if (is(node, "CallExpression")) {
    const path = file.callee(node);
    return path === "Context.err" || path === "context.cause";
  }
  if (is(node, "MemberExpression")) {
    const { object, property } = node;
    if (nameOf(property) !== "aborted" || !is(object, "MemberExpression")) return false;
    return nameOf(object.property) === "signal" && file.kind(object.object) === "Context";
  }
  const def = is(node, "Identifier") ? file.variable(node)?.defs[0]?.node : undefined;
  if (!is(def, "VariableDeclarator") || !is(def.parent, "VariableDeclaration")) return false;
  return def.parent.kind === "const" && is(def.init, "CallExpression") && isEnd(file, def.init);
}
