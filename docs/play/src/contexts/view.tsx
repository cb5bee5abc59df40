/**
 * View 2: a live tree of contexts. Each node shows what its own context says: `err()`, `cause()`, `deadline()`, its value.
 *
 * The path is `contexts/OPERATIONS/NODE`.
 */
import { context, nil } from "headgate";
import { useEffect, useRef, useState } from "preact/hooks";
import { useKeys } from "../keys.ts";
import type { ViewProps } from "../main.tsx";
import { Button } from "../parts.tsx";
import { text } from "../text.ts";
import { DEADLINE, formatOps, type Node, OPENING, type Op, parseOps, Tree, user } from "./tree.ts";

const words = text.contexts;

/** Most nodes that a tree may have. */
const MOST = 24;

/** For tests: the live contexts, by their numbers. */
declare global {
  interface Window {
    contexts?: () => readonly {
      readonly id: number;
      readonly err: string;
      readonly cause: string;
      readonly text: string;
    }[];
  }
}

type Status = "live" | "canceled" | "deadline" | "never";

function statusOf({ ctx }: Node): Status {
  const err = ctx.err();
  if (err !== undefined) return err instanceof context.DeadlineExceeded ? "deadline" : "canceled";
  // The channel of a context that nothing can end is nil, as in Go.
  return ctx.done() === nil ? "never" : "live";
}

const errOf = ({ ctx }: Node): string => ctx.err()?.message ?? "";

const causeOf = ({ ctx }: Node): string => {
  const cause: unknown = context.cause(ctx);
  return cause === undefined ? "" : cause instanceof Error ? cause.message : String(cause);
};

export function ContextsView({ path, go }: ViewProps) {
  const [, opsPart = OPENING, nodePart] = path;
  const [, render] = useState(0);
  const tree = useRef<Tree | undefined>(undefined);
  const made = (): Tree => {
    tree.current?.drop();
    return (tree.current = new Tree(parseOps(opsPart), () => render((n) => n + 1)));
  };
  // A hash of other operations makes another tree; the operations of this one are in its hash already.
  const now = tree.current !== undefined && formatOps(tree.current.ops) === opsPart ? tree.current : made();
  const chosen = now.nodes[Math.trunc(Number(nodePart ?? 1))] ?? now.nodes[0]!;
  const show = (node: number): void => go(["contexts", formatOps(now.ops), String(node)]);
  const act = (op: Op): void => {
    const before = now.nodes.length;
    if ("ndvos".includes(op.letter) && before >= MOST) return;
    now.apply(op);
    go(["contexts", formatOps(now.ops), String(now.nodes.length > before ? before : op.node)]);
  };
  const again = (): void => {
    now.drop();
    tree.current = undefined;
    go(["contexts", OPENING, "1"]);
    render((n) => n + 1);
  };
  // The rings of the deadlines run down.
  const runs = now.nodes.some((node) => node.kind === "deadline" && node.ctx.err() === undefined);
  useEffect(() => {
    if (!runs) return undefined;
    const timer = setInterval(() => render((n) => n + 1), 250);
    return () => clearInterval(timer);
  }, [runs]);
  useEffect(() => () => tree.current?.drop(), []);
  useEffect(() => {
    window.contexts = () =>
      now.nodes.map((node) => ({ id: node.id, err: errOf(node), cause: causeOf(node), text: String(node.ctx) }));
  }, [now]);
  useKeys({ s: () => act({ letter: "c", node: chosen.id }) });
  return (
    <article class="contexts" data-ops={formatOps(now.ops)} data-node={chosen.id}>
      <p class="about">{words.about}</p>
      <div class="columns">
        <TreeView tree={now} chosen={chosen} show={show} />
        <Details node={chosen} act={act} again={again} isFull={now.nodes.length >= MOST} />
      </div>
      <figure class="code made">
        <figcaption>{words.code}</figcaption>
        <pre tabIndex={0} aria-label={words.code}>
          {now.nodes.some(({ kind }) => kind === "value") && (
            <span class="line">
              {'const user = context.key<string>("user");'}
              {"\n"}
            </span>
          )}
          {now.nodes.flatMap(({ id, code }) =>
            code.split("\n").map((line) => (
              <span key={line} class={id === chosen.id ? "line lit" : "line"}>
                {line}
                {"\n"}
              </span>
            )),
          )}
        </pre>
      </figure>
      <ul class="lessons">
        {words.rules.map((rule) => (
          <li key={rule}>{rule}</li>
        ))}
      </ul>
    </article>
  );
}

/** The nodes as a list in the order of the tree, each with its depth. */
function flat(node: Node, depth = 0): { node: Node; depth: number }[] {
  return [{ node, depth }, ...node.children.flatMap((child) => flat(child, depth + 1))];
}

function TreeView({ tree, chosen, show }: { tree: Tree; chosen: Node; show: (node: number) => void }) {
  const list = flat(tree.nodes[0]!);
  const box = useRef<HTMLUListElement>(null);
  const moved = (event: KeyboardEvent): void => {
    const i = list.findIndex(({ node }) => node === chosen);
    const to = {
      ArrowDown: list[i + 1]?.node,
      ArrowUp: list[i - 1]?.node,
      ArrowLeft: chosen.parent,
      ArrowRight: chosen.children[0],
      Home: list[0]!.node,
      End: list.at(-1)!.node,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    show(to.id);
    box.current?.querySelector<HTMLElement>(`[data-node="${to.id}"]`)?.focus();
  };
  return (
    <ul class="tree" role="tree" aria-label={words.tree} ref={box} onKeyDown={moved}>
      {list.map(({ node, depth }) => (
        <Item key={node.id} node={node} depth={depth} isChosen={node === chosen} show={show} />
      ))}
    </ul>
  );
}

function Item({
  node,
  depth,
  isChosen,
  show,
}: {
  node: Node;
  depth: number;
  isChosen: boolean;
  show: (node: number) => void;
}) {
  const status = statusOf(node);
  const siblings = node.parent?.children ?? [node];
  return (
    <li
      class={`node is-${status} ${isChosen ? "chosen" : ""}`}
      role="treeitem"
      aria-level={depth + 1}
      aria-posinset={siblings.indexOf(node) + 1}
      aria-setsize={siblings.length}
      aria-selected={isChosen}
      aria-expanded={node.children.length > 0 ? true : undefined}
      tabIndex={isChosen ? 0 : -1}
      style={{ "--depth": depth }}
      data-node={node.id}
      data-status={status}
      data-err={errOf(node)}
      data-cause={causeOf(node)}
      onClick={() => show(node.id)}
    >
      <Ring node={node} status={status} />
      <b>{node.name}</b>
      <span class="kind">{kindOf(node)}</span>
      <span class="state">
        {status === "live" ? words.live : status === "never" ? words.never : errOf(node).replace("context ", "")}
      </span>
    </li>
  );
}

const kinds: Readonly<Record<Node["kind"], string>> = {
  background: "background",
  cancel: "withCancelCause",
  deadline: "withTimeout",
  without: "withoutCancel",
  value: "withValue",
  signal: "withSignal",
};

const kindOf = ({ kind }: Node): string => kinds[kind];

function leftOf({ ctx }: Node): number {
  const at = ctx.deadline();
  return at === undefined ? 0 : Math.max(0, at - Date.now());
}

/** A ring: full while it lives, running down with a deadline, crossed out when it has ended, hollow if it cannot end. */
function Ring({ node, status }: { node: Node; status: Status }) {
  const share = node.kind === "deadline" && status === "live" ? leftOf(node) / DEADLINE : 1;
  const round = 2 * Math.PI * 8;
  return (
    <svg class="glyph" viewBox="0 0 20 20" aria-hidden="true">
      {status === "live" && (
        <circle cx="10" cy="10" r="8" stroke-dasharray={`${share * round} ${round}`} transform="rotate(-90 10 10)" />
      )}
      {status === "live" && node.kind !== "deadline" && <circle class="full" cx="10" cy="10" r="3.5" />}
      {status === "never" && <circle cx="10" cy="10" r="8" stroke-dasharray="2 3" />}
      {status === "canceled" && <path class="sign" d="M10 2a8 8 0 1 0 .01 0M4.5 15.5l11-11" />}
      {status === "deadline" && <path class="sign" d="M10 2a8 8 0 1 0 .01 0M10 5v5l3.5 2" />}
    </svg>
  );
}

/** A text that breaks before a call and around an instant, and not within a number. */
function breakable(text: string) {
  return text
    .split(/(?=\.With|\.with|\[)|(?<=\()(?=\d)/)
    .flatMap((part) => [<span class="nowrap">{part}</span>, <wbr />]);
}

function Details({
  node,
  act,
  again,
  isFull,
}: {
  node: Node;
  act: (op: Op) => void;
  again: () => void;
  isFull: boolean;
}) {
  const { ctx } = node;
  const hasEnded = ctx.err() !== undefined;
  const left = leftOf(node);
  const facts: readonly (readonly [string, string])[] = [
    ["String(ctx)", String(ctx)],
    ["ctx.err()", errOf(node) || "undefined"],
    ["context.cause(ctx)", causeOf(node) || "undefined"],
    [
      "ctx.deadline()",
      ctx.deadline() === undefined ? "undefined" : hasEnded ? "has a deadline" : `in ${(left / 1000).toFixed(0)} s`,
    ],
    ["ctx.signal.aborted", String(ctx.signal.aborted)],
    ["ctx.value(user)", ctx.value(user) ?? "undefined"],
    ...(node.registered > 0 ? [["afterFunc", words.functions(node.called, node.registered)] as const] : []),
  ];
  const why =
    isFull && !hasEnded
      ? words.off.full
      : hasEnded
        ? words.off.ended
        : node.end === undefined
          ? words.off.cannot
          : words.off.cause;
  const button = (letter: keyof typeof words.actions, isPossible: boolean) => (
    <Button
      key={letter}
      data-control={letter}
      isOff={!isPossible}
      press={() => act({ letter, node: node.id })}
      title={isPossible ? undefined : why}
    >
      {words.actions[letter]}
    </Button>
  );
  return (
    <section class="details" aria-label={words.selected}>
      <h3>{node.name}</h3>
      <dl>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{name === "String(ctx)" ? breakable(value) : value}</dd>
          </div>
        ))}
      </dl>
      <div class="acts">
        {button("c", node.end !== undefined && !hasEnded)}
        {button("k", node.kind === "cancel" && !hasEnded)}
        {node.abort !== undefined && button("a", !node.abort.signal.aborted)}
      </div>
      {(hasEnded || node.kind !== "cancel") && <p class="off">{why}</p>}
      <div class="acts">
        {(["n", "d", "v", "o", "s"] as const).map((letter) => button(letter, !isFull))}
        {button("f", true)}
      </div>
      <button class="small" data-control="again" onClick={again}>
        {words.again}
      </button>
      <p class="hidden" role="status">
        {node.name}: {errOf(node) || words.live}
      </p>
    </section>
  );
}
