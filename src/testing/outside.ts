/**
 * Whether a bubble has had to do with the world outside.
 *
 * A task that awaits a promise which is not headgate's may wait for I/O, and then time must stand still; or for another task of the
 * test, and then time must go on. Promises do not say. But in Node everything that can bring news from outside is an async resource,
 * and hooks tell when one is made. So a bubble in which none was made can only be waiting for itself, unless the process has
 * connections from before.
 *
 * Elsewhere, and where it has made one, the answer is: it may.
 */
import { attempt } from "../internal/foreign.ts";
import { runningBubble } from "./seam.ts";
import { builtin, platform } from "./platform.ts";

interface Hooks {
  readonly createHook: (hooks: { init(id: number, type: string): void }) => { enable(): void; disable(): void };
}

/** What a program makes that has nothing to do with anybody outside. */
const INSIDE: ReadonlySet<string> = new Set(["PROMISE", "TickObject", "Microtask"]);

/** What every process has, or its test runner: no news for a test comes from there. */
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

/** Begins to watch, until {@link unwatch} has been called as often. False where it cannot be done. */
export function watch(): boolean {
  hook ??= canTell() ? make() : null;
  if (hook === null) return false;
  if (users++ === 0) hook.enable();
  return true;
}

export function unwatch(): void {
  if (--users === 0) hook!.disable();
}

/** Whether this can be told at all: Bun has no hooks, and those of Deno do not tell of everything. */
export function canTell(): boolean {
  const { bun, deno } = platform.process?.versions ?? {};
  return bun === undefined && deno === undefined && builtin("node:async_hooks") !== undefined;
}

function make(): ReturnType<Hooks["createHook"]> {
  const { createHook } = builtin("node:async_hooks") as Hooks;
  return createHook({
    init(_id, type) {
      if (INSIDE.has(type)) return;
      const room = runningBubble();
      if (room !== null) room.mayHearFromOutside = true;
    },
  });
}

/** Whether the process has connections, or other things under way, over which a bubble could hear from outside. */
export function isConnected(): boolean {
  // Some have it in name only: it throws.
  const active = attempt(() => platform.process?.getActiveResourcesInfo?.()) ?? [];
  return active.some((type) => !ORDINARY.has(type));
}
