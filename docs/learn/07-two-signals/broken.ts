/** The worker of chapter 6, under another rule. */
export { drained } from "../06-half-fix/fixed.ts";
