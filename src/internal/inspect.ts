/**
 * The text of headgate's objects in `util.inspect`, and so in `console.log`, on Node, Bun and Deno; and in JSON, and so
 * in logs.
 *
 * `toString()` says what an object is and its state, and the others return the same. If Go fixes that text, as for a
 * context, `describe()` may say more. `toJSON()` may say less: one line, and never a value that the object holds for
 * the user.
 */
const custom = /* @__PURE__ */ Symbol.for("nodejs.util.inspect.custom");

/** A base class, because isolated declarations allow no computed member in an exported class. */
export const Inspectable: abstract new () => { describe(): string; toJSON(): string } = /* @__PURE__ */ (() =>
  class {
    [custom](): string {
      return this.describe();
    }

    describe(): string {
      return String(this);
    }

    toJSON(): string {
      return String(this);
    }
  })();
