/**
 * The state of the page is its hash, such as `#worker/first/0!c17/20`: a view, and what that view shows. So every state has a URL.
 *
 * Browsers limit how often a page may change its URL. So the state changes at once, and the URL follows a moment later. Another view,
 * another design or bug, and another stop are entries of the history, so Back leads to the one before. A step is not.
 */
import { useCallback, useLayoutEffect, useRef, useState } from "preact/hooks";

export type Path = readonly string[];

const DELAY = 200;

/** The number of moves so far: what was to follow a state that the reader has left does not happen. */
export const moves = { count: 0 };

export function parse(hash: string): Path {
  const text = hash.replace(/^#/, "");
  if (text === "") return [];
  return text.split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
}

export function format(path: Path): string {
  return `#${path.map((part) => encodeURIComponent(part).replaceAll("%2C", ",").replaceAll("%3A", ":")).join("/")}`;
}

/** The part of a path that Back leads to: a view, and what it shows. The step and what is pressed are the rest of it. */
function placeOf(path: Path): string {
  const [view = "worker"] = path;
  return path.slice(0, { worker: 3, transfer: 3, schedule: 2 }[view] ?? 1).join("/");
}

/** The path that the page is at, and the function that goes to another one. */
export function usePath(): readonly [path: Path, go: (path: Path) => void] {
  const [path, setPath] = useState<Path>(() => parse(location.hash));
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  /** The hash that the page knows of. Another one is the reader's, whose event is still to come: the state goes there. */
  const known = useRef(location.hash);
  const go = useCallback((next: Path): void => {
    moves.count++;
    setPath(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      if (location.hash !== known.current) return;
      // A view that was opened without a path, such as `#worker`, gets its whole path in place.
      const [before, place] = [placeOf(parse(known.current)), placeOf(next)];
      const isElsewhere = before !== "" && place !== before && !place.startsWith(`${before}/`);
      history[isElsewhere ? "pushState" : "replaceState"](null, "", format(next));
      known.current = location.hash;
    }, DELAY);
  }, []);
  useLayoutEffect(() => {
    const changed = (): void => {
      moves.count++;
      clearTimeout(timer.current);
      known.current = location.hash;
      setPath(parse(known.current));
    };
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return [path, go];
}
