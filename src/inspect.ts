/**
 * How headgate's objects show themselves in `util.inspect`, and so in `console.log`, on Node, Bun and Deno.
 *
 * A primitive says what it is and how it stands in `toString()`, and `util.inspect` prints the same; where the text is fixed by Go
 * (a context), `describe()` says more. It is a base class because isolated declarations allow no computed member in an exported
 * class.
 */
const custom = /* @__PURE__ */ Symbol.for("nodejs.util.inspect.custom");

export const Inspectable: abstract new () => object = /* @__PURE__ */ (() =>
  class {
    [custom](): string {
      return this.describe();
    }

    describe(): string {
      return String(this);
    }
  })();
