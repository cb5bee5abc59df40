/**
 * The client of a bank: a call and its undo, which end with their ctx.
 */
import type { Context } from "headgate";

export interface Api {
  call(ctx: Context, key: string): Promise<void>;
  undo(ctx: Context, key: string): Promise<void>;
}

export function apiOf(url: string): Api {
  return {
    call: (ctx, key) => post(ctx, `${url}/call`, key),
    undo: (ctx, key) => post(ctx, `${url}/undo`, key),
  };
}

async function post(ctx: Context, url: string, key: string): Promise<void> {
  const headers = { "idempotency-key": key };
  const response = await fetch(url, { method: "POST", headers, signal: ctx.signal });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`POST ${url} of ${key} was answered with ${response.status}`);
}
