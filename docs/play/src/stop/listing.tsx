/**
 * The code of a design, with one line lit.
 */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { text as words } from "../text.ts";
import type { CodeLine } from "./types.ts";

export function Code({
  lines,
  lit,
  title,
  signs = false,
  losing = 0,
  children,
}: {
  lines: readonly CodeLine[];
  lit: number;
  title: string;
  /** Whether the signs in the margin are shown. */
  signs?: boolean;
  /** The line that loses something, from 1; 0: none. */
  losing?: number;
  /** Controls, beside the title. */
  children?: ComponentChildren;
}) {
  const box = useRef<HTMLPreElement>(null);
  // The lit line stays in sight; the page does not scroll for it.
  useLayoutEffect(() => {
    const parent = box.current;
    const line = parent?.querySelector<HTMLElement>(".lit");
    if (parent === null || parent === undefined || line === null || line === undefined) return;
    const [top, bottom] = [line.offsetTop, line.offsetTop + line.offsetHeight];
    const margin = 40;
    if (top - margin < parent.scrollTop) parent.scrollTop = top - margin;
    else if (bottom + margin > parent.scrollTop + parent.clientHeight) {
      parent.scrollTop = bottom + margin - parent.clientHeight;
    }
  }, [lit, lines]);
  return (
    <figure class="code">
      <figcaption>
        <span>{title}</span>
        {children}
      </figcaption>
      <pre ref={box} tabIndex={0} aria-label={title}>
        {lines.map(({ text, sign = "" }, i) => (
          <span
            key={i}
            class={`line ${i + 1 === lit ? "lit" : ""} ${i + 1 === losing ? "losing" : ""} ${signs && sign !== "" ? (sign === "-" ? "gone" : "new") : ""}`}
            data-line={i + 1}
            data-losing={i + 1 === losing ? words.stop.lostHere : undefined}
            style={{ "--in": text.search(/\S|$/) }}
            data-sign={signs ? sign : undefined}
            aria-current={i + 1 === lit}
          >
            {dimmed(text)}
            {"\n"}
          </span>
        ))}
      </pre>
    </figure>
  );
}

/** A comment steps back; the rest is as it is. */
function dimmed(text: string) {
  const at = text.search(/(^|\s)\/\//);
  if (at < 0) return text;
  return (
    <>
      {text.slice(0, at)}
      <i>{text.slice(at)}</i>
    </>
  );
}
