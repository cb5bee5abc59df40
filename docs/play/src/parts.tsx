/**
 * Parts that several views share: a row of options, a list to choose from, a button that copies, the live sentence, the timeline as a table.
 */
import type { TraceRow } from "headgate/testing";
import type { ComponentProps } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { textOf } from "./say.ts";

/**
 * A button that may be off. It keeps the focus then, so that a reader at the keyboard does not lose the place.
 */
export function Button({
  isOff,
  press,
  children,
  ...rest
}: { isOff: boolean; press: () => void } & Omit<ComponentProps<"button">, "disabled" | "onClick">) {
  return (
    <button {...rest} aria-disabled={isOff} onClick={() => !isOff && press()}>
      {children}
    </button>
  );
}

/** A row of options of which one is chosen. */
export function Options({
  name,
  label,
  options,
  value,
  choose,
}: {
  name: string;
  label: string;
  options: readonly { readonly id: string; readonly title: string }[];
  value: string;
  choose: (id: string) => void;
}) {
  return (
    <fieldset class="options" data-control={name}>
      <legend>{label}</legend>
      <div class="segments">
        {options.map(({ id, title }) => (
          <label key={id} class={id === value ? "chosen" : ""}>
            <input type="radio" name={name} value={id} checked={id === value} onChange={() => choose(id)} />
            <span>{title}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** A list of which one is chosen. */
export function Choice({
  name,
  label,
  options,
  value,
  choose,
}: {
  name: string;
  label: string;
  options: readonly { readonly id: string; readonly title: string }[];
  value: string;
  choose: (id: string) => void;
}) {
  return (
    <label class="pick">
      {label}
      <select data-control={name} value={value} onChange={({ currentTarget }) => choose(currentTarget.value)}>
        {options.map(({ id, title }) => (
          <option key={id} value={id}>
            {title}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Copies a text; where that is not allowed, it selects the text. */
export function Copy({
  value,
  label,
  keyed,
}: {
  value: string;
  label: string;
  keyed?: { current: (() => void) | undefined };
}) {
  const [isCopied, setCopied] = useState(false);
  const shown = useRef<HTMLElement>(null);
  const copy = (): void => {
    const select = (): void => {
      if (shown.current !== null) getSelection()?.selectAllChildren(shown.current);
      document.execCommand("copy");
    };
    void (navigator.clipboard?.writeText(value) ?? Promise.reject(new Error("no clipboard"))).catch(select);
    setCopied(true);
  };
  if (keyed !== undefined) keyed.current = copy;
  useEffect(() => {
    if (!isCopied) return undefined;
    const timer = setTimeout(() => setCopied(false), 1_500);
    return () => clearTimeout(timer);
  }, [isCopied]);
  return (
    <span class="copy">
      <span class="caption">{label}</span> <code ref={shown}>{value}</code>
      <button class="small" data-control="copy" aria-label={`Copy the ${label}`} onClick={copy}>
        {isCopied ? "copied" : "copy"}
      </button>
      <span class="hidden" role="status">
        {isCopied ? `Copied ${value}` : ""}
      </span>
    </span>
  );
}

/** Says the sentence to a screen reader: each one of single steps, and one in a while of those that play. */
export function Live({ sentence, isPlaying }: { sentence: string; isPlaying: boolean }) {
  const [said, setSaid] = useState(sentence);
  const lastAt = useRef(0);
  useEffect(() => {
    const wait = isPlaying ? Math.max(0, lastAt.current + 2_000 - Date.now()) : 0;
    const timer = setTimeout(() => {
      lastAt.current = Date.now();
      setSaid(sentence);
    }, wait);
    return () => clearTimeout(timer);
  }, [sentence, isPlaying]);
  return (
    <div class="hidden" role="log" aria-live="polite">
      <p key={said}>{said}</p>
    </div>
  );
}

/** The timeline as a table; the rows of the present step are lit. It opens for print. */
export function Timeline({ rows, step }: { rows: readonly TraceRow[]; step: number }) {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    const printed = (): void => setOpen(true);
    addEventListener("beforeprint", printed);
    return () => removeEventListener("beforeprint", printed);
  }, []);
  return (
    <details class="timeline" open={isOpen} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>The timeline, {rows.length} rows</summary>
      <div class="scroll" tabIndex={0} role="region" aria-label="Timeline">
        <table>
          <thead>
            <tr>
              <th scope="col">step</th>
              <th scope="col">time</th>
              <th scope="col">task</th>
              <th scope="col">event</th>
              <th scope="col">picked from</th>
            </tr>
          </thead>
          <tbody>
            {(isOpen ? rows : []).map((row, i) => (
              <tr key={i} class={row.step === step ? "lit" : row.step > step ? "later" : ""}>
                <td>{row.step}</td>
                <td>+{row.time} ms</td>
                <td>{row.task}</td>
                <td>{textOf(row)}</td>
                <td>{row.choices > 1 ? `1 of ${row.choices}` : ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
