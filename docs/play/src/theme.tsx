/**
 * Light or dark: as the system has it, until the reader says otherwise.
 */
import { useState } from "preact/hooks";

const KEY = "headgate-theme";

function kept(): string {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    // A file may have no storage.
    return "";
  }
}

function set(theme: string): void {
  document.documentElement.dataset["theme"] = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // It holds for this visit only.
  }
}

export function ThemeButton() {
  const [theme, setTheme] = useState(() => {
    const before = kept();
    if (before !== "") document.documentElement.dataset["theme"] = before;
    return before || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  });
  const other = theme === "dark" ? "light" : "dark";
  const toggle = (): void => {
    set(other);
    setTheme(other);
  };
  return (
    <button class="quiet" data-control="theme" onClick={toggle}>
      <span aria-hidden="true">◐</span> {other}
    </button>
  );
}
