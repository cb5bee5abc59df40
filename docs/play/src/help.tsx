/**
 * The list of keys.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { letters } from "./keys.ts";
import { text } from "./text.ts";

export function Help({ close }: { close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isOn, setOn] = useState(letters.isOn);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby="help-title" onClose={close}>
      <h2 id="help-title">Keys</h2>
      <dl class="keys">
        {text.keys.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <label class="check">
        <input
          type="checkbox"
          checked={isOn}
          onChange={({ currentTarget }) => setOn((letters.isOn = currentTarget.checked))}
        />
        Letters and digits are keys
      </label>
      <form method="dialog">
        <button class="primary">Close</button>
      </form>
    </dialog>
  );
}
