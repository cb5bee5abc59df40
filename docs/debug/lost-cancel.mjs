import { context, time } from "headgate";
import * as debug from "headgate/debug";

debug.watch({ onLeak: () => {} });
const [app, stop] = context.withCancel(context.background());

async function handle(parent) {
  const [ctx] = context.withTimeout(parent, 60_000); // the cancel function is dropped
  await time.sleep(1, ctx);
}

for (let n = 0; n < 3; n++) await handle(app);
for (const { count, text, at } of await debug.leaks()) console.log(`${count} × ${text}\n    at ${at}`);
stop();
