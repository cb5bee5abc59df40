import type { RecvChan } from "headgate";

export interface Jobs {
  readonly list: readonly RecvChan<number>[];
}

export interface Request {
  readonly url: string;
  readonly signal: AbortSignal;
}

export async function lock(): Promise<void> {}
