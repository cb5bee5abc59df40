/**
 * A bank, as an HTTP service: `POST /call` moves money, `POST /undo` takes that back, both by the key in the header `idempotency-key`.
 *
 * It is as bad as a network may be. A call that has arrived is applied some ms later, whether its caller still waits or not. So an undo may
 * be faster than the call it undoes. And one undo in five is answered with 503, before it has had an effect.
 *
 * What the bank owes its callers is the fence:
 * - a key counts once, for the call and for the undo, however often they arrive;
 * - to undo what is unknown succeeds, and is remembered;
 * - a call whose key was undone is refused, however late it comes.
 */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { time } from "headgate";
import { chance } from "./chance.ts";

export interface Service {
  readonly url: string;
  /** The keys of the calls that are in force. */
  readonly applied: ReadonlySet<string>;
  /** How many calls came after their undo. */
  readonly late: number;
  /** Resolves when every request that has arrived has had its effect. */
  close(): Promise<void>;
}

export interface ServiceOptions {
  readonly seed: number;
  /** false: a bank as too many are, which forgets what it has undone. true */
  readonly fence?: boolean;
  /** Is called for every request as it arrives. The request waits for the promise that it returns. */
  readonly heard?: () => Promise<void> | void;
}

export async function startService({ seed, fence = true, heard }: ServiceOptions): Promise<Service> {
  const applied = new Set<string>();
  const undone = new Set<string>();
  const tries = new Map<string, number>();
  const underway = new Set<Promise<void>>();
  let late = 0;

  const call = async (key: string): Promise<number> => {
    await time.sleep(2 + 6 * chance(seed, "call", key));
    if (undone.has(key)) {
      late++;
      if (fence) return 409;
    }
    applied.add(key);
    return 204;
  };

  const undo = (key: string): number => {
    const n = (tries.get(key) ?? 0) + 1;
    tries.set(key, n);
    if (chance(seed, "undo", key, n) < 1 / 5) return 503;
    undone.add(key);
    applied.delete(key);
    return 204;
  };

  const answer = async (path: string | undefined, key: string, response: ServerResponse): Promise<void> => {
    await heard?.();
    response.writeHead(path === "/undo" ? undo(key) : await call(key)).end();
  };

  const server = createServer((request, response) => {
    request.resume();
    const answering = answer(request.url, String(request.headers["idempotency-key"]), response);
    underway.add(answering);
    void answering.finally(() => underway.delete(answering));
  });
  await new Promise<void>((resolve, reject) => server.on("error", reject).listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    applied,
    get late() {
      return late;
    },
    async close() {
      await time.sleep(20); // for what is still on its way
      while (underway.size > 0) await Promise.all(underway);
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
