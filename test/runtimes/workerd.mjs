/**
 * headgate in workerd, the runtime of Cloudflare's workers, by miniflare: `node workerd.mjs FOLDER` prints the answers of
 * `everything.mjs` as one line of JSON. FOLDER is one that `installed()` of packed.mjs has made.
 *
 * There, a timer belongs to the request that has set it and is gone with it, and a clock stands still while code runs. All requests share
 * the modules. So beside the uses there are questions of requests that run at once, and after each other.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Miniflare } from "miniflare";
import { resolvedIn, scriptsOf } from "../support/packed.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const folder = process.argv[2];

/** What serves the requests. */
const SERVER = `
import { Chan, context, go, select, time } from "headgate";
import { everything } from "./everything.mjs";

const shared = new Chan(1);
const routes = {
  // The uses of one path.
  uses: (query) => everything([query.get("path")]),
  // Sleeps, and ends.
  async sleep(query) {
    await time.sleep(Number(query.get("ms")));
    return "ok";
  },
  // Has a deadline that is kept, and then one that is not.
  async deadline(query) {
    const [kept, cancel] = context.withTimeout(context.background(), 60_000);
    cancel();
    const [ctx, release] = context.withTimeout(context.background(), Number(query.get("ms")));
    const got = await select({ done: ctx.done(), late: time.after(60_000) });
    release();
    return got.case === "done" && kept.err().message === "context canceled" ? "ok" : got.case;
  },
  // Ends with a timer that is still set.
  async leave(query) {
    go(() => time.sleep(Number(query.get("ms"))));
    return "ok";
  },
  // Operations that are always ready, between waits; so turns begin and end, also the last one, in which the request ends.
  async busy() {
    for (let n = 0; n < 20_000; n++) {
      await shared.send(n);
      await shared.recv();
      if (n % 1_000 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return "ok";
  },
};

export default {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    return Response.json(await routes[pathname.slice(1)](searchParams));
  },
};
`;

const resolve = (text) => resolvedIn(folder, text);
const module = (path, contents) => ({ type: "ESModule", path: join(folder, path), contents });
const server = new Miniflare({
  modulesRoot: folder,
  modules: [
    module("server.mjs", resolve(SERVER)),
    module("everything.mjs", resolve(readFileSync(join(here, "everything.mjs"), "utf8"))),
    ...scriptsOf(folder).map((script) => {
      const path = join("node_modules", "headgate", script);
      return module(path, readFileSync(join(folder, path), "utf8"));
    }),
  ],
  compatibilityDate: "2026-07-01",
  handleRuntimeStdio: () => {},
});

/** How long a request may take, in ms. */
const PATIENCE = 30_000;

async function ask(path) {
  try {
    const response = await Promise.race([
      server.dispatchFetch(`http://localhost/${path}`),
      new Promise((_, reject) => setTimeout(() => reject(new Error(`nothing after ${PATIENCE} ms`)), PATIENCE).unref()),
    ]);
    const text = await response.text();
    return response.ok ? JSON.parse(text) : `failed: ${text.split("\n")[0]}`;
  } catch (error) {
    return `failed: ${error.message}`;
  }
}

const all = (answers) => answers.find((answer) => answer !== "ok") ?? "ok";

/** Requests that share the module. Each question is asked of a server that has answered those before. */
const requests = {
  "sleep at once, and the one that began first ends first": async () =>
    all(await Promise.all(["sleep?ms=30", "sleep?ms=200", "sleep?ms=100"].map(ask))),
  "sleep at once, and the one that began first ends last": async () =>
    all(await Promise.all(["sleep?ms=200", "sleep?ms=30", "sleep?ms=100"].map(ask))),
  "have deadlines at once": async () =>
    all(await Promise.all(["deadline?ms=100", "deadline?ms=20", "deadline?ms=60"].map(ask))),
  "come after one that has left a timer": async () =>
    all([await ask("leave?ms=50"), await ask("sleep?ms=100"), await ask("deadline?ms=20")]),
  "are busy at once, and after each other": async () =>
    all([...(await Promise.all(["busy", "busy", "sleep?ms=20"].map(ask))), await ask("busy"), await ask("sleep?ms=5")]),
};

const { uses } = await import(join(folder, "everything.mjs"));
const answers = {};
for (const path of Object.keys(uses)) {
  const got = await ask(`uses?path=${encodeURIComponent(path)}`);
  if (typeof got === "string") answers[path] = got;
  else Object.assign(answers, got);
}
for (const [name, question] of Object.entries(requests)) answers[`requests: ${name}`] = await question();
console.log(JSON.stringify(answers));
await server.dispose();
