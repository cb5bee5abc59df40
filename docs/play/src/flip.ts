/**
 * Moves of elements: each flies from where it was to where it is now. With reduced motion it is simply there.
 */
import { useLayoutEffect, useRef } from "preact/hooks";
import { isCalm } from "./player.tsx";

/** Animates the children with a `data-fly` after each change of `key`. Returns the ref of their parent. */
export function useFlip(key: unknown, ms: number) {
  const parent = useRef<HTMLDivElement>(null);
  const before = useRef<ReadonlyMap<string, DOMRect>>(new Map());
  useLayoutEffect(() => {
    const now = new Map<string, DOMRect>();
    const base = parent.current?.getBoundingClientRect();
    if (base === undefined) return;
    for (const element of parent.current!.querySelectorAll<HTMLElement>("[data-fly]")) {
      for (const animation of element.getAnimations()) animation.cancel();
      const rect = element.getBoundingClientRect();
      // Relative to the parent, so that scrolling is no move.
      const place = new DOMRect(rect.x - base.x, rect.y - base.y, rect.width, rect.height);
      const id = element.dataset["fly"]!;
      now.set(id, place);
      const was = before.current.get(id);
      if (was === undefined || isCalm() || (was.x === place.x && was.y === place.y)) continue;
      const from = `translate(${was.x - place.x}px, ${was.y - place.y}px)`;
      element.animate([{ transform: from }, { transform: "none" }], {
        duration: ms,
        easing: "cubic-bezier(.3,.7,.3,1)",
      });
    }
    before.current = now;
  }, [key]);
  return parent;
}
