/**
 * `lost-cancel`, as the check lostcancel of `go vet`: each path that returns uses the cancel function, in whatever way.
 *
 * - A path that throws is not looked at.
 * - A `break` or a `continue` passes through each `finally` on its way. The linters' code paths lead past it.
 * - A function inside that uses it counts where that function is made.
 * - At the top of a module nothing is reported: what is made there may live as long as the program.
 */
import {
  type CodePath,
  is,
  isFunction,
  type Listeners,
  nameOf,
  type Node,
  type NodeOf,
  type Segment,
  type Variable,
} from "./api.ts";
import { isInside } from "./file.ts";
import { type Rule, rule } from "./rule.ts";

/** A cancel function that is watched, from the segments in which it is made. */
interface Made {
  readonly variable: Variable;
  readonly node: NodeOf<"Identifier">;
  readonly segments: readonly Segment[];
}

/** A function that is being looked at, or the module. */
interface Frame {
  readonly path: CodePath;
  /** Where the traversal is. */
  readonly current: Set<Segment>;
  readonly made: Made[];
  /** What each segment uses, and the statement with which it returns. */
  readonly uses: Map<string, Set<Variable>>;
  readonly returns: Map<string, Node>;
  /** The `finally` blocks through which a segment that ends in a jump leaves, and the segments of each block. */
  readonly jumps: Map<string, readonly Node[]>;
  readonly finals: Map<Node, Final>;
}

/** Where a `finally` begins and ends. */
interface Final {
  readonly first: readonly Segment[];
  last: readonly Segment[];
}

export const lostCancel: Rule = /* @__PURE__ */ rule({
  name: "lost-cancel",
  type: "problem",
  description: "a cancel function is used on every path",
  recommended: true,
  messages: {
    discarded:
      "A cancel function must be used on every path: that of {{maker}} is discarded, so the context stays with its parent. Name it, and write `using _ = cancel;`.",
    unused:
      "A cancel function must be used on every path: `{{name}}` is never used, so the context stays with its parent. Write `using _ = {{name}};`.",
    returned:
      "A cancel function must be used on every path: line {{line}} returns without `{{name}}`. Write `using _ = {{name}};` where it is made.",
    ended:
      "A cancel function must be used on every path: the function can end without `{{name}}`. Write `using _ = {{name}};` where it is made.",
  },
  create(context, file): Listeners {
    const frames: Frame[] = [];
    const top = (): Frame => frames[frames.length - 1]!;
    const enter = (segment: Segment): void => void top().current.add(segment);
    const isInModule = (): boolean => top().path.origin === "program";
    const leave = (segment: Segment): void => void top().current.delete(segment);

    /** What leaves the segment where the traversal is. */
    function jump(node: NodeOf<"BreakStatement" | "ContinueStatement">): void {
      const passed = finalsOf(node);
      if (passed.length > 0) for (const { id } of top().current) top().jumps.set(id, passed);
    }

    /** What is made and has a name: it is watched, or reported at once. */
    function watch(cancel: NodeOf<"Identifier">): void {
      const variable = file.variable(cancel);
      if (variable === undefined) return;
      const uses = variable.references.filter((reference) => reference.isRead());
      if (uses.length === 0) context.report({ node: cancel, messageId: "unused", data: { name: cancel.name } });
      // A function declaration is there before its line is reached.
      else if (!uses.some(({ identifier }) => isHoisted(identifier, cancel))) {
        top().made.push({ variable, node: cancel, segments: [...top().current] });
      }
    }

    return {
      onCodePathStart(path: CodePath) {
        frames.push({
          path,
          current: new Set(),
          made: [],
          uses: new Map(),
          returns: new Map(),
          jumps: new Map(),
          finals: new Map(),
        });
      },
      onCodePathSegmentStart: enter,
      onCodePathSegmentEnd: leave,
      onUnreachableCodePathSegmentStart: enter,
      onUnreachableCodePathSegmentEnd: leave,
      ReturnStatement(node: Node) {
        for (const { id } of top().current) top().returns.set(id, node);
      },
      BreakStatement: jump,
      ContinueStatement: jump,
      BlockStatement(node: Node) {
        if (isFinal(node)) top().finals.set(node, { first: [...top().current], last: [] });
      },
      "BlockStatement:exit"(node: Node) {
        const final = top().finals.get(node);
        if (final !== undefined) final.last = [...top().current];
      },
      Identifier(node: NodeOf<"Identifier">) {
        for (const frame of frames) {
          const used = frame.made.find(({ variable }) => isRead(variable, node));
          if (used === undefined) continue;
          for (const { id } of frame.current) {
            frame.uses.set(id, (frame.uses.get(id) ?? new Set<Variable>()).add(used.variable));
          }
        }
      },
      CallExpression(node: NodeOf<"CallExpression">) {
        const index = file.cancelIndex(node);
        if (index === undefined || isInModule() || !isDiscarded(node, index)) return;
        context.report({ node, messageId: "discarded", data: { maker: file.text(node.callee) } });
      },
      VariableDeclarator({ id, init }: NodeOf<"VariableDeclarator">) {
        const index = file.cancelIndex(init);
        if (index === undefined || !is(init, "CallExpression") || isInModule()) return;
        const cancel = is(id, "ArrayPattern") ? id.elements[index] : undefined;
        if (is(cancel, "Identifier")) watch(cancel);
        // The tuple in one variable.
        const uses = file.variable(id)?.references.filter((reference) => reference.isRead());
        if (uses?.every(({ identifier }) => isDiscarded(identifier, index)) === true) {
          context.report({ node: init, messageId: "discarded", data: { maker: file.text(init.callee) } });
        }
      },
      onCodePathEnd() {
        const { path, made, uses, returns, jumps, finals } = frames.pop()!;
        for (const { variable, node, segments } of made) {
          const isUse = (id: string): boolean => uses.get(id)?.has(variable) === true;
          const isUseOfAll = ({ first, last }: Final): boolean => endWithout(first, isUse, last) === undefined;
          const isUseOnTheWay = (id: string): boolean =>
            jumps.get(id)?.some((block) => isUseOfAll(finals.get(block)!)) === true;
          const end = endWithout(segments, (id) => isUse(id) || isUseOnTheWay(id), path.returnedSegments);
          if (end === undefined) continue;
          const line = returns.get(end.id)?.loc.start.line;
          if (line === undefined) context.report({ node, messageId: "ended", data: { name: node.name } });
          else context.report({ node, messageId: "returned", data: { name: node.name, line: String(line) } });
        }
      },
    };
  },
});

const isRead = (variable: Variable, node: Node): boolean =>
  variable.references.some((reference) => reference.identifier === node && reference.isRead());

/** Whether a use is in a function declaration in which `made` is not. */
function isHoisted(use: Node, made: Node): boolean {
  for (let at = use.parent; at !== null && at !== undefined && !isInside(made, at); at = at.parent) {
    if (is(at, "FunctionDeclaration")) return true;
  }
  return false;
}

const isFinal = (node: Node): boolean => is(node.parent, "TryStatement") && node.parent.finalizer === node;

/** The `finally` blocks through which a `break` or a `continue` leaves. */
function finalsOf(jump: NodeOf<"BreakStatement" | "ContinueStatement">): Node[] {
  const found: Node[] = [];
  for (let at: Node = jump; at.parent !== null && at.parent !== undefined && !isFunction(at); at = at.parent) {
    if (isLeftBy(jump, at)) return found;
    const { parent } = at;
    if (is(parent, "TryStatement") && parent.finalizer !== null && parent.finalizer !== at)
      found.push(parent.finalizer);
  }
  return found;
}

/** Whether a statement is what a `break` or a `continue` is about. */
function isLeftBy({ type, label }: NodeOf<"BreakStatement" | "ContinueStatement">, statement: Node): boolean {
  if (label !== null) return is(statement, "LabeledStatement") && nameOf(statement.label) === nameOf(label);
  const isLoop = is(
    statement,
    "DoWhileStatement",
    "ForInStatement",
    "ForOfStatement",
    "ForStatement",
    "WhileStatement",
  );
  return isLoop || (type === "BreakStatement" && is(statement, "SwitchStatement"));
}

/** Whether a tuple is dropped, or its element `index` is: `const [ctx] = …`, `…[0]`, or a statement. */
function isDiscarded(call: Node, index: number): boolean {
  const { parent } = call;
  if (is(parent, "ExpressionStatement")) return true;
  if (is(parent, "MemberExpression") && parent.object === call) {
    return is(parent.property, "Literal") && parent.property.value !== index;
  }
  const pattern =
    is(parent, "VariableDeclarator") && parent.init === call
      ? parent.id
      : is(parent, "AssignmentExpression") && parent.right === call
        ? parent.left
        : undefined;
  if (!is(pattern, "ArrayPattern")) return false;
  const element = pattern.elements[index] ?? undefined;
  // A rest at its end has what is left.
  return element === undefined && pattern.elements.at(-1)?.type !== "RestElement";
}

/** The first of the segments `ends` that is reached from `from` by segments without a use; undefined if there is none. */
function endWithout(
  from: readonly Segment[],
  uses: (id: string) => boolean,
  ends: readonly Segment[],
): Segment | undefined {
  const seen = new Set<string>();
  const todo = [...from];
  for (let segment; (segment = todo.shift()) !== undefined;) {
    if (seen.has(segment.id) || uses(segment.id)) continue;
    seen.add(segment.id);
    if (ends.includes(segment)) return segment;
    todo.push(...segment.nextSegments);
  }
  return undefined;
}
