/**
 * View 2's tree of real contexts: it is built by operations, and the operations are its hash, so each state has a URL.
 *
 * An operation is a letter with the number of the node that it is done to, such as `c3`. Nodes are numbered as they are made.
 */
import { context, type Context } from "headgate";

export type Kind = "background" | "cancel" | "deadline" | "without" | "value" | "signal";

/** An operation: derive a context of some kind, or end one. */
export interface Op {
  readonly letter: Letter;
  readonly node: number;
}

export const letters = {
  n: "withCancel",
  d: "withTimeout",
  v: "withValue",
  o: "withoutCancel",
  s: "withSignal",
  f: "afterFunc",
  c: "cancel",
  k: "cancel with a cause",
  a: "abort",
} as const;
type Letter = keyof typeof letters;

export interface Node {
  readonly id: number;
  readonly name: string;
  readonly kind: Kind;
  readonly parent: Node | undefined;
  readonly children: Node[];
  readonly ctx: Context;
  readonly end: ((cause?: unknown) => void) | undefined;
  readonly abort: AbortController | undefined;
  /** The line of code that made it. */
  readonly code: string;
  /** The functions of `afterFunc`: registered, and called. */
  registered: number;
  called: number;
}

/** The tree that the page opens with. */
export const OPENING = "d0.n1.n1.n3.o1.v1.s1";

const NAMES = ["root", "request", "db", "api", "retry", "audit", "session", "button"];

/** ms until a deadline. */
export const DEADLINE = 30_000;

export const user = context.key<string>("user");

export function parseOps(text: string): readonly Op[] {
  return text
    .split(".")
    .map((part) => /^([ndvosfcka])(\d{1,2})$/.exec(part))
    .filter((match) => match !== null)
    .map(([, letter, node]) => ({ letter: letter as Letter, node: Number(node) }));
}

export const formatOps = (ops: readonly Op[]): string => ops.map(({ letter, node }) => `${letter}${node}`).join(".");

export class Tree {
  readonly nodes: Node[] = [];
  readonly ops: Op[] = [];
  private readonly changed: () => void;

  constructor(ops: readonly Op[], changed: () => void) {
    this.changed = changed;
    this.nodes.push({
      id: 0,
      name: NAMES[0]!,
      kind: "background",
      parent: undefined,
      children: [],
      ctx: context.background(),
      end: undefined,
      abort: undefined,
      code: "const root = context.background();",
      registered: 0,
      called: 0,
    });
    for (const op of ops) this.apply(op);
  }

  /** Does an operation; one that its node does not have does nothing. */
  apply(op: Op): void {
    const node = this.nodes[op.node];
    if (node === undefined) return;
    this.ops.push(op);
    const { letter } = op;
    if (letter === "c") node.end?.();
    else if (letter === "k") node.end?.(new Error(`${node.name} is not needed`));
    else if (letter === "a") node.abort?.abort(new Error("the button was pressed"));
    else if (letter === "f") this.register(node);
    else this.derive(node, letter);
    this.changed();
  }

  private register(node: Node): void {
    node.registered++;
    context.afterFunc(node.ctx, () => {
      node.called++;
      this.changed();
    });
  }

  private derive(parent: Node, letter: "n" | "d" | "v" | "o" | "s"): void {
    const id = this.nodes.length;
    const name = NAMES[id] ?? `task${id}`;
    const base = { id, name, parent, children: [], abort: undefined, end: undefined, registered: 0, called: 0 };
    const node = { ...base, ...derivations[letter](parent, name) } as Node;
    this.nodes.push(node);
    parent.children.push(node);
    // A context that cannot end calls nothing.
    context.afterFunc(node.ctx, this.changed);
  }

  /** Ends what is left, so that no timer stays behind. */
  drop(): void {
    for (const { end } of this.nodes) end?.();
  }
}

type Derived = Pick<Node, "kind" | "ctx" | "code"> & Partial<Pick<Node, "end" | "abort">>;

const derivations: Readonly<Record<"n" | "d" | "v" | "o" | "s", (parent: Node, name: string) => Derived>> = {
  n: (parent, name) => {
    const [ctx, end] = context.withCancelCause(parent.ctx);
    return {
      kind: "cancel",
      ctx,
      end,
      code: `const [${name}, cancel${upper(name)}] = context.withCancelCause(${parent.name});`,
    };
  },
  d: (parent, name) => {
    const [ctx, end] = context.withTimeout(parent.ctx, DEADLINE);
    return {
      kind: "deadline",
      ctx,
      end: () => end(),
      code: `const [${name}, cancel${upper(name)}] = context.withTimeout(${parent.name}, 30_000);`,
    };
  },
  v: (parent, name) => ({
    kind: "value",
    ctx: context.withValue(parent.ctx, user, "Ada"),
    code: `const ${name} = context.withValue(${parent.name}, user, "Ada");`,
  }),
  o: (parent, name) => ({
    kind: "without",
    ctx: context.withoutCancel(parent.ctx),
    code: `const ${name} = context.withoutCancel(${parent.name});`,
  }),
  s: (parent, name) => {
    const abort = new AbortController();
    const [ctx, end] = context.withSignal(parent.ctx, abort.signal);
    return {
      kind: "signal",
      ctx,
      end: () => end(),
      abort,
      code: `const stop${upper(name)} = new AbortController();\nconst [${name}, cancel${upper(name)}] = context.withSignal(${parent.name}, stop${upper(name)}.signal);`,
    };
  },
};

const upper = (name: string): string => name[0]!.toUpperCase() + name.slice(1);
