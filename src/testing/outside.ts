/**
 * The world outside of a bubble: whether news can come from there.
 *
 * A task that awaits a promise which is not headgate's may wait for I/O; then time must stand still. Or it may wait for
 * another task of the test; then time must go on. A promise does not say which. But Node makes an async resource for
 * everything that can bring news from outside, and its hooks report each one. A bubble that has made none can only wait
 * for itself, unless the process has connections from before.
 *
 * On other platforms, and once the bubble has made a resource, the answer is: news may come.
 */
import { attempt } from "../internal/foreign.ts";
import { builtin, platform } from "./platform.ts";
import { runningBubble } from "./seam.ts";

interface Hooks {
  readonly createHook: (hooks: { init(id: number, type: string): void }) => { enable(): void; disable(): void };
}

/** Async resources that bring no news from outside. */
const INSIDE: ReadonlySet<string> = new Set(["PROMISE", "TickObject", "Microtask"]);

/** Resources that every process or test runner has: they bring a test no news. */
const ORDINARY: ReadonlySet<string> = new Set([
  "PipeWrap",
  "TTYWrap",
  "MessagePort",
  "SignalWrap",
  "Timeout",
  "Immediate",
]);

let hook: ReturnType<Hooks["createHook"]> | null | undefined;
let users = 0;

/**
 * Watches for async resources, until {@link unwatch} has been called as often. Returns false if the platform has no
 * hooks for it.
 */
export function watch(): boolean {
  hook ??= canWatch() ? make() : null;
  if (hook === null) return false;
  if (users++ === 0) hook.enable();
  return true;
}

export function unwatch(): void {
  if (--users === 0) hook!.disable();
}

/** True if the platform's hooks report every resource: Bun has none, and Deno's miss some. */
export function canWatch(): boolean {
  const { bun, deno } = platform.process?.versions ?? {};
  return bun === undefined && deno === undefined && builtin("node:async_hooks") !== undefined;
}

function make(): ReturnType<Hooks["createHook"]> {
  const { createHook } = builtin("node:async_hooks") as Hooks;
  return createHook({
    init(_id, type) {
      if (INSIDE.has(type)) return;
      const bubble = runningBubble();
      if (bubble !== null) bubble.mayHearFromOutside = true;
    },
  });
}

/** True if the process has connections or other active resources that could bring a bubble news. */
export function isConnected(): boolean {
  // On some platforms the function exists, and throws.
  const active = attempt(() => platform.process?.getActiveResourcesInfo?.()) ?? [];
  return active.some((type) => !ORDINARY.has(type));
}
