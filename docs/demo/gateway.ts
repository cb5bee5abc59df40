/**
 * The other side of the demo: an HTTP gateway as the real ones are. It is slow, sometimes it answers 503, sometimes it never answers.
 * It counts what it really received, so that the worker's account can be held against it.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What the gateway has seen. Requests = accepted + refused + hung + broken off + pending. */
export interface GatewayCount {
  requests: number;
  /** Answered with 204. */
  accepted: number;
  /** Different messages among the accepted; the others came twice, because their first answer did not arrive. */
  distinct: number;
  /** Answered with 503. */
  refused: number;
  /** Left without an answer on purpose. */
  hung: number;
  /** The worker had gone before the answer. */
  brokenOff: number;
}

export interface Gateway {
  readonly url: string;
  readonly count: Readonly<GatewayCount>;
  close(): Promise<void>;
}

export async function startGateway(options: { slow: number; refuse: number; hang: number }): Promise<Gateway> {
  const count: GatewayCount = { requests: 0, accepted: 0, distinct: 0, refused: 0, hung: 0, brokenOff: 0 };
  const seen = new Set<string>();

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    if (response.destroyed) {
      count.brokenOff++;
    } else if (Math.random() < options.refuse) {
      count.refused++;
      response.writeHead(503).end();
    } else {
      count.accepted++;
      seen.add(String(request.headers["x-message"]));
      count.distinct = seen.size;
      response.writeHead(204).end();
    }
  };

  const server = createServer((request, response) => {
    count.requests++;
    request.resume().on("end", () => {
      if (Math.random() < options.hang) count.hung++;
      else setTimeout(answer, Math.random() * options.slow, request, response);
    });
  });
  await new Promise<void>((resolve, reject) => server.on("error", reject).listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/push`,
    count,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
