import { context, time } from "headgate";
import * as debug from "headgate/debug";

debug.watch({ onLeak: () => {} });
const [app, stop] = context.withCancel(context.background());

async function handle(parent) {
  const [ctx, cancel] = context.withTimeout(parent, 60_000);
  try {
    await time.sleep(1, ctx);
  } finally {
    cancel(); // or, where it is no syntax error: using _ = cancel
  }
}

for (let n = 0; n < 3; n++) await handle(app);
console.log((await debug.leaks()).length, "leaks");
stop();
