/**
 * The keys of the page. A control that has the focus keeps its own: space presses a button, arrows move a slider.
 */
import { useLayoutEffect, useRef } from "preact/hooks";

export type Keys = Readonly<Record<string, (() => void) | undefined>>;

/** Single letters can be switched off, because software for speech input may type them. */
export const letters = { isOn: true };

function isTyping(target: Element, key: string): boolean {
  const tag = target.tagName;
  if (tag === "TEXTAREA" || tag === "SELECT") return true;
  if (tag === "INPUT") {
    const { type } = target as HTMLInputElement;
    if (type === "range" || type === "radio") return /^(Arrow|Home|End| )/.test(key);
    return type !== "checkbox" || key === " ";
  }
  return key === " " && (tag === "BUTTON" || tag === "A" || tag === "SUMMARY");
}

/** Calls the function of the key that is pressed, as long as this component is shown. */
export function useKeys(keys: Keys): void {
  const current = useRef(keys);
  current.current = keys;
  // Before the first paint: a key that is pressed as soon as something is seen counts.
  useLayoutEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (event.key.length === 1 && event.key !== " " && !letters.isOn) return;
      if (document.querySelector("dialog[open]") !== null) return;
      if (event.target instanceof Element && isTyping(event.target, event.key)) return;
      const act = current.current[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (act === undefined) return;
      event.preventDefault();
      act();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}
