/** Where the compiler knows the platform's AbortSignal, that of a context is one. */
import { context } from "headgate";

const controller = new AbortController();
const [ctx, cancel] = context.withSignal(context.background(), controller.signal);
const signal: AbortSignal = ctx.signal;
const [from] = context.from({ signal });
signal.addEventListener("abort", () => cancel());
// @ts-expect-error: the options have no signal but an AbortSignal.
context.from({ signal: 1 });
export { from };
