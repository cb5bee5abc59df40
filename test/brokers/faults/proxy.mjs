/** A TCP proxy on the loopback, between a worker and its broker: to cut their connections, or to hold up what they say. */
import { connect, createServer } from "node:net";
import { once } from "node:events";

/** Starts a proxy to a port of the loopback. */
export async function proxyTo(port) {
  const pairs = new Set();
  let frozen = false;
  const server = createServer({ pauseOnConnect: true }, (near) => {
    const far = connect({ host: "127.0.0.1", port });
    const pair = [near, far];
    pairs.add(pair);
    for (const [from, to] of [pair, [far, near]]) {
      from.setNoDelay();
      from.on("data", (bytes) => {
        if (!to.write(bytes)) from.pause();
      });
      to.on("drain", () => frozen || from.resume());
      from.on("end", () => to.end());
      // Whatever went wrong, both ends hear of it.
      from.on("error", () => {});
      from.on("close", () => {
        pairs.delete(pair);
        to.destroy();
      });
    }
    if (frozen) far.pause();
    else near.resume();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: server.address().port,
    /** Cuts all connections, without a farewell. Returns how many there were. */
    cut() {
      const all = [...pairs];
      for (const pair of all) for (const socket of pair) socket.resetAndDestroy();
      return all.length;
    },
    /** What the server says on the connections there are now gets lost, as does what it is told from now on unless `hears`. Others are as before. */
    swallow({ hears = false } = {}) {
      for (const [near, far] of pairs) {
        far.removeAllListeners("data").resume();
        if (!hears) near.removeAllListeners("data").resume();
      }
    },
    /** From now on nothing gets through, and nobody is told; what is sent waits. */
    freeze() {
      frozen = true;
      for (const pair of pairs) for (const socket of pair) socket.pause();
    },
    /** All that waits gets through, and what comes later. */
    thaw() {
      frozen = false;
      for (const pair of pairs) for (const socket of pair) socket.resume();
    },
    close() {
      server.close();
      for (const pair of pairs) for (const socket of pair) socket.destroy();
    },
  };
}
