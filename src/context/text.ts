/**
 * Texts of contexts, as Go writes them.
 */
import { attempt, hasMethod, kindOf, propertyOf } from "../internal/foreign.ts";

/** Milliseconds as Go writes a duration: 1m30s, 1.5s, 250ms, 10µs, 0s. */
export function goDuration(ms: number): string {
  const sign = ms < 0 ? "-" : "";
  // Longer than any clock runs.
  if (!Number.isFinite(ms * 1e6)) return `${sign}Inf`;
  const ns = Math.round(Math.abs(ms) * 1e6);
  if (ns === 0) return "0s";
  if (ns < 1e3) return `${sign}${ns}ns`;
  if (ns < 1e6) return `${sign}${ns / 1e3}µs`;
  if (ns < 1e9) return `${sign}${ns / 1e6}ms`;
  // To the microsecond: a floating-point number is not more precise at this size.
  const us = Math.round(Math.abs(ms) * 1e3);
  const hours = Math.floor(us / 3.6e9);
  const minutes = Math.floor(us / 6e7) % 60;
  const rest = (us % 6e7) / 1e6;
  return sign + (hours > 0 ? `${hours}h` : "") + (hours > 0 || minutes > 0 ? `${minutes}m` : "") + `${rest}s`;
}

/** The name of a key or a value in a text: a string itself, anything else its type, never its value (C110). */
export function nameOf(thing: unknown): string {
  if (typeof thing === "string") return thing;
  if (thing === null || thing === undefined) return "<nil>";
  const kind = kindOf(thing);
  return kind === "object" ? "Object" : kind;
}

/** The text of a foreign context. In JSON the name of its class, because its own text may contain anything. */
export function textOf(ctx: object, isJson?: boolean): string {
  if (isJson === true) {
    const json: unknown = attempt(() => (ctx as { toJSON?(): unknown }).toJSON?.());
    return typeof json === "string" ? json : nameOf(ctx);
  }
  const isPlain = !hasMethod(ctx, "toString") || propertyOf(ctx, "toString") === Object.prototype.toString;
  return (isPlain ? undefined : attempt(() => String(ctx))) ?? nameOf(ctx);
}
