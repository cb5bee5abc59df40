/**
 * The names that a user has given to objects, for reports: `name` of headgate/debug writes them, the debugger and the
 * test kit read them.
 */

/** By the object, which the name does not keep alive. */
export const givenNames: WeakMap<object, string> = /* @__PURE__ */ new WeakMap();
