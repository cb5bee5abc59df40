/**
 * How headgate's objects show themselves: in `util.inspect`, and so in `console.log`, on Node, Bun and Deno; and in JSON, and so in logs.
 *
 * A primitive says what it is and how it stands in `toString()`; the others print the same. Where the text is fixed by Go (a context),
 * `describe()` says more, and `toJSON()` less: one line, and never a value that was entrusted to the object. It is a base class because isolated declarations allow no computed member in an exported
 * class.
 */
const custom = /* @__PURE__ */ Symbol.for("nodejs.util.inspect.custom");

/** The base class of what shows itself. */
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
