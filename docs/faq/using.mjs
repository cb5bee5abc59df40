import { context } from "headgate";

const [ctx, cancel] = context.withCancel(context.background());
using _ = cancel; // before Node 24: SyntaxError: Unexpected identifier '_'
console.log(ctx.err());
