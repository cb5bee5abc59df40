import { context, time } from "headgate";
import { worker } from "headgate/worker";
import { redisStream } from "headgate/worker/redis";
import { Redis } from "ioredis";
import { proxyTo } from "./faults/proxy.mjs";
const proxy = await proxyTo(26500);
const admin = new Redis("redis://127.0.0.1:26500");
await admin.flushall();
const client = new Redis(`redis://127.0.0.1:${proxy.port}`, { maxRetriesPerRequest: null });
client.on("error", () => {});
const source = redisStream(client, { stream: "s", group: "g", lease: 8000, deadLetters: "dead" });
const t0 = performance.now(); const log = (...a) => console.log(((performance.now()-t0)/1000).toFixed(2), ...a);
for (let i = 0; i < 300; i++) await admin.xadd("s", "*", "body", `${["good", "failing", "dead"][i % 3]} ${i}`);
let told = 0;
const observe = (e) => { if (e.type === "settled") told += e.count; if (e.type === "sourceError") log(e.call, String(e.error), Math.round(e.retryIn)); };
const [ctx, stop] = context.withCancel(context.background());
const progress = {};
const running = worker(ctx, source, async (_, { body, attempt }) => { await time.sleep(Math.random() * 30); if ((body.startsWith("failing") && attempt === 1) || body.startsWith("dead")) throw new Error("no"); }, { maxAttempts: 2, backoff: () => 10, callTimeout: 2000, observe, progress });
for (let i = 0; i < 6; i++) {
  const before = told, t = performance.now();
  while (told <= before + 20) { await time.sleep(20); if (performance.now() - t > 12000) { log("stuck", told, JSON.stringify(progress), await admin.xlen("s"), await admin.call("XPENDING", "s", "g")); process.exit(1); } }
  log("swallow"); proxy.swallow({ hears: true }); await time.sleep(100); log("cut", proxy.cut());
}
while ((await admin.xlen("s")) > 0) await time.sleep(20);
stop(); const r = await running; log(r.expired, r.acked, r.dead); await source.close(); client.disconnect(); admin.disconnect(); proxy.close();
