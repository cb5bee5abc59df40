/**
 * The answers of a debugging server, as those of Go's net/http/pprof.
 */
import { given } from "../internal/foreign.ts";
import { entryError } from "../internal/suspend.ts";
import type { Context } from "../types.ts";
import { dump } from "./dump.ts";
import { leakText } from "./leak.ts";
import { leaks } from "./leaks.ts";
import { profile } from "./profile.ts";
import { textOf } from "./stack.ts";
import { current } from "./watch.ts";

/** An HTTP response, for whichever server you have. */
export interface Response {
  /** The HTTP status: 200, 404 or 503. */
  readonly status: number;
  /** The value of the header `content-type`. */
  readonly type: string;
  /** The body; a text is to be sent as UTF-8. */
  readonly body: string | Uint8Array;
}

const TEXT = "text/plain; charset=utf-8";
const JSON_TYPE = "application/json; charset=utf-8";

const PAGES: readonly (readonly [path: string, about: string])[] = [
  ["/waits", "what waits, and where"],
  ["/contexts", "the contexts that have not ended, as JSON"],
  ["/leaks", "what can never end; it runs the garbage collector"],
  ["/block", "where waiting time goes, as text"],
  ["/block.pb", "the same for go tool pprof"],
];

/**
 * Answers a request of an operator, by its path: `/` is a page that reloads, with links to the others. `/waits` and
 * `/contexts` are of a {@link dump}, `/leaks` calls {@link leaks}, `/block` and `/block.pb` are the {@link profile}, as
 * text and for `go tool pprof`. Any other path is answered with 404, and what cannot be had with 503 and the reason.
 * A query after the path is ignored.
 *
 * The answers name files, lines and functions, and `/leaks` stops the process for a while. So let no one but operators
 * reach it: listen on the loopback address, or behind a login.
 *
 * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()`; what `/leaks` has found so far stays known.
 *
 * **Errors**: rejects with a TypeError if `path` is no string.
 *
 * @see Go's [net/http/pprof](https://pkg.go.dev/net/http/pprof)
 * @example
 * ```ts
 * import * as debug from "headgate/debug";
 *
 * using _ = debug.watch();
 * // http.createServer(async (request, response) => {
 * //   const { status, type, body } = await debug.respond(request.url);
 * //   response.writeHead(status, { "content-type": type }).end(body);
 * // }).listen(6060, "127.0.0.1");
 * const { status, type } = await debug.respond("/waits");
 * console.log(status, type); // => 200 text/plain; charset=utf-8
 * ```
 */
export async function respond(path: string, ctx?: Context): Promise<Response> {
  if (typeof path !== "string") throw new TypeError(`respond: expected the path of a request, got ${given(path)}`);
  try {
    return await answer(path.replace(/[?#].*$/, ""), ctx);
  } catch (error) {
    if (ctx !== undefined && error === entryError(ctx)) throw error;
    return { status: 503, type: TEXT, body: `${(error as Error).message}\n` };
  }
}

async function answer(path: string, ctx: Context | undefined): Promise<Response> {
  switch (path) {
    case "/":
      return { status: 200, type: "text/html; charset=utf-8", body: page() };
    case "/waits":
      return { status: 200, type: TEXT, body: `${String(dump())}\n` };
    case "/contexts":
      return { status: 200, type: JSON_TYPE, body: JSON.stringify(dump({ most: 0 }).contexts, null, 2) };
    case "/leaks":
      return { status: 200, type: TEXT, body: await leaksText(ctx) };
    case "/block":
      return { status: 200, type: TEXT, body: `${String(profile())}\n` };
    case "/block.pb":
      return { status: 200, type: "application/octet-stream", body: profile().toPprof() };
    default:
      return { status: 404, type: TEXT, body: `there is ${PAGES.map(([known]) => known).join(", ")}\n` };
  }
}

async function leaksText(ctx: Context | undefined): Promise<string> {
  const found = await leaks(ctx);
  if (found.length === 0) return "no leaks\n";
  return found
    .map((leak) => [leakText(leak), ...leak.stack.map((frame) => `    at ${textOf(frame)}`)].join("\n"))
    .join("\n\n")
    .concat("\n");
}

function page(): string {
  const links = PAGES.map(([path, about]) => `<li><a href=".${path}">${path}</a>: ${about}</li>`).join("\n");
  // A dump of what is not watched stops the process, so it is not made every few seconds.
  const now =
    current() === undefined ? "nothing is watched: call debug.watch()" : escaped(String(dump({ most: 1_000 })));
  return `<!doctype html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="5">
<title>headgate</title>
<ul>
${links}
</ul>
<pre>${now}</pre>
`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
